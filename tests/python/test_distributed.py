"""Several processes train one model: to the same weights as one, and without losing a run when one of them is lost."""

import csv
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, TINY
from reference import safetensors

BINARY = os.environ.get("LAFORMER_BIN", str(ROOT / "target/release/laformer"))
SETTINGS = TINY | {
    "training.batch_size": 10,
    "training.steps": 12,
    "training.average": 0.2,
    "training.log_every": 2,
    "training.threads": 1,
    "evaluation.every": 6,
}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def arguments(folder, *options, timeout=60, **settings):
    (folder / "recipe.toml").write_text('problem = "eigenvalues"\ndim = "2-3"\n')
    sets = [part for name, value in sorted((SETTINGS | settings).items()) for part in ("--set", f"{name}={value}")]
    command = ["train", str(folder / "recipe.toml"), "--output", str(folder / "run"), "--device", "cpu", "--timeout", str(timeout)]
    return [*command, *sets, *options]


def start(count, command, hosts=None):
    """Starts the processes as srun does, with torchrun's variables; returns them in the order of their ranks. With `hosts`, each has its own."""
    master, local = ("127.0.0.1", count) if hosts is None else (hosts.address(0), 1)
    place = {"WORLD_SIZE": str(count), "MASTER_ADDR": master, "MASTER_PORT": str(free_port()), "LOCAL_WORLD_SIZE": str(local)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = []
    for rank in range(count):
        environment = os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank % local)}
        where = [] if hosts is None else hosts.on(rank)
        processes.append(subprocess.Popen([*where, BINARY, *command], env=environment, **pipes))
    return processes


def ended(processes):
    """The exit code and the messages of each process."""
    said = [process.communicate(timeout=120)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def trained(folder, count, *options, **settings):
    folder.mkdir(exist_ok=True)
    results = ended(start(count, arguments(folder, *options, **settings)))
    assert [code for code, _ in results] == [0] * count, results
    return folder / "run"


def losses(run):
    with open(run / "metrics.csv", newline="") as rows:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(rows) if row["loss"]]


def assert_same_run(found, expected):
    for (step, loss), (other_step, other) in zip(losses(found), losses(expected), strict=True):
        assert step == other_step and abs(loss - other) <= 1e-5 * other, (step, loss, other)
    for file in ["model.safetensors", "resume.safetensors"]:
        ours, theirs = safetensors.read(found / file)[0], safetensors.read(expected / file)[0]
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            difference = (ours[name].double() - tensor.double()).abs().max()
            assert difference <= 1e-4 * max(float(tensor.double().abs().max()), 1e-3), (file, name, difference)


def same_bits(found, expected):
    ours, theirs = safetensors.read(found)[0], safetensors.read(expected)[0]
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([BINARY, *arguments(folder)], check=True, capture_output=True)
    return folder / "run"


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_train_as_one_does(alone, tmp_path, count):
    run = trained(tmp_path, count)
    assert_same_run(run, alone)
    assert sorted(path.name.split(".")[0] for path in run.iterdir()) == sorted(path.name.split(".")[0] for path in alone.iterdir())


def wait_for(condition, *processes):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, [process.poll() for process in processes]
        time.sleep(0.02)


LONG = {"training.steps": 100_000, "evaluation.every": 0, "training.save_every": 10}


def test_a_signal_to_one_saves_and_another_number_of_processes_goes_on(tmp_path):
    save = tmp_path / "run/resume.safetensors"
    processes = start(2, arguments(tmp_path, **LONG))
    wait_for(save.exists, *processes)
    # The first process hears of it by the second.
    processes[1].send_signal(signal.SIGTERM)
    first, second = ended(processes)
    assert second[0] == 128 + signal.SIGTERM, second
    step = int(re.search(r"after step (\d+), which is saved", first[1])[1])
    before = save.stat().st_mtime_ns
    processes = start(3, arguments(tmp_path, "--resume", **LONG))
    wait_for(lambda: save.stat().st_mtime_ns > before, *processes)
    processes[0].send_signal(signal.SIGTERM)
    first, *_ = ended(processes)
    assert f"going on after step {step}" in first[1], first


def test_a_lost_process_is_named(tmp_path):
    processes = start(3, arguments(tmp_path, **LONG))
    wait_for((tmp_path / "run/resume.safetensors").exists, *processes)
    processes[1].kill()
    first, _, last = ended(processes)
    for code, text in [first, last]:
        assert code == 1 and "process 1 of 3 is lost" in text, text


def test_torchrun_starts_again_from_the_last_save(tmp_path):
    settings = {"training.steps": 300, "evaluation.every": 0, "training.save_every": 6}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "3", "--monitor-interval", "0.1"]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(free_port()), "--no-python", BINARY, *arguments(tmp_path, "--resume", **settings)]
    agent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for((tmp_path / "run/resume.safetensors").exists, agent)
    children = subprocess.run(["pgrep", "-P", str(agent.pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    said = agent.communicate(timeout=120)[0]
    assert agent.returncode == 0, said
    assert re.search(r"going on after step \d+", said), said
    assert [step for step, _ in losses(tmp_path / "run")] == list(range(2, 301, 2))


def test_processes_that_are_killed_again_and_again_train_the_same_model(tmp_path):
    settings = {"training.steps": 250, "evaluation.every": 0, "training.save_every": 5}
    for name in ["quiet", "killed"]:
        (tmp_path / name).mkdir()
    quiet = trained(tmp_path / "quiet", 2, **settings)
    save = tmp_path / "killed/run/resume.safetensors"
    rng = random.Random(1)
    kills = 0
    for _ in range(4):
        processes = start(2, arguments(tmp_path / "killed", "--resume", timeout=20, **settings))
        before = save.stat().st_mtime_ns if save.exists() else 0
        # Kills come at any time after a first save of this attempt, three times; the fourth attempt ends.
        if kills < 3:
            wait_for(lambda before=before: save.exists() and save.stat().st_mtime_ns > before, *processes)
            time.sleep(rng.uniform(0, 0.1))
            rng.choice(processes).kill()
            kills += 1
        codes = [code for code, _ in ended(processes)]
    assert kills == 3 and codes == [0, 0]
    assert losses(tmp_path / "killed/run") == losses(quiet)
    for file in ["model.safetensors", "resume.safetensors"]:
        assert same_bits(tmp_path / "killed/run" / file, quiet / file), file


class Hosts:
    """Network namespaces that stand for machines, joined by a bridge."""

    def __init__(self, count):
        self.names = [f"laformer-{os.getpid()}-{number}" for number in range(count)]
        self.bridge = f"lf{os.getpid()}"

    def add(self):
        self.run("ip", "link", "add", self.bridge, "type", "bridge")
        self.run("ip", "link", "set", self.bridge, "up")
        for number, name in enumerate(self.names):
            outside = self.cable(number)
            self.run("ip", "netns", "add", name)
            self.run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
            self.run("ip", "link", "set", outside, "master", self.bridge, "up")
            self.run(*self.on(number), "ip", "link", "set", "lo", "up")
            self.run(*self.on(number), "ip", "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            self.run(*self.on(number), "ip", "link", "set", "eth0", "up")

    def remove(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)

    def run(self, *command):
        subprocess.run(command, check=True, capture_output=True)

    def address(self, number):
        return f"10.83.71.{number + 1}"

    def cable(self, number):
        return f"{self.bridge}-{number}"

    def on(self, number):
        """What comes before a command that runs on a host."""
        return ["ip", "netns", "exec", self.names[number]]

    def cut_off(self, number):
        self.run("ip", "link", "set", self.cable(number), "down")


@pytest.fixture
def hosts():
    hosts = Hosts(3)
    try:
        hosts.add()
    except FileNotFoundError:
        pytest.skip("ip is not installed")
    except subprocess.CalledProcessError as error:
        hosts.remove()
        pytest.skip(f"network namespaces need root: {error.stderr.decode().strip()}")
    yield hosts
    hosts.remove()


def test_hosts_train_together_and_name_the_one_that_is_cut_off(hosts, alone, tmp_path):
    results = ended(start(3, arguments(tmp_path), hosts))
    assert [code for code, _ in results] == [0, 0, 0], results
    assert_same_run(tmp_path / "run", alone)
    (tmp_path / "cut").mkdir()
    processes = start(3, arguments(tmp_path / "cut", timeout=8, **LONG), hosts)
    wait_for((tmp_path / "cut/run/resume.safetensors").exists, *processes)
    hosts.cut_off(2)
    began = time.monotonic()
    first, second, cut = ended(processes)
    for code, text in [first, second]:
        assert code == 1 and "process 2 of 3 is lost" in text, text
    assert cut[0] == 1 and "process 0, or the torchrun that started it, is lost" in cut[1], cut
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2 says that processes train together, but RANK is missing"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK=2: there are 2 processes, numbered from 0"),
        ({"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE=two: a number of processes is needed"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "99999"}, "MASTER_PORT=99999"),
        ({"WORLD_SIZE": "20", "RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "1"}, "20 processes train together"),
    ],
)
def test_variables_that_cannot_be_are_refused(tmp_path, variables, message):
    done = subprocess.run([BINARY, *arguments(tmp_path)], env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()


def test_a_process_that_is_alone_says_whom_it_did_not_find(tmp_path):
    variables = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    done = subprocess.run([BINARY, *arguments(tmp_path, timeout=1)], env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 1 and "process 1 of 2 did not find all others at 127.0.0.1" in done.stderr, done.stderr
    assert "frame #" not in done.stderr and not (tmp_path / "run").exists()


# What srun and scontrol do that the batch file needs. A first `srun` sends SIGUSR1 once there is a checkpoint, as Slurm does before time is over.
SRUN = """#!/bin/bash
for ((rank = 0; rank < SLURM_NTASKS; rank++)); do
    SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" &
    tasks+=($!)
done
if [[ ! -e stopped ]]; then
    until [[ -e run/resume.safetensors ]]; do sleep 0.05; done
    kill -USR1 "${tasks[@]}"
    touch stopped
fi
status=0
for task in "${tasks[@]}"; do
    wait "$task" || { code=$?; ((code > status)) && status=$code; }
done
exit "$status"
"""
SCONTROL = """#!/bin/bash
if [[ $1 == show ]]; then echo localhost; else echo "$*" >> requeued; fi
"""


def test_a_job_of_slurm_saves_before_its_time_is_over_and_goes_on(tmp_path):
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    job = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "LAFORMER": BINARY,
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
    }
    command = ["bash", str(ROOT / "recipes/slurm/train.sbatch"), *arguments(tmp_path, **{"training.steps": 300, "training.save_every": 2})[1:]]
    run = lambda: subprocess.run(command, cwd=tmp_path, env=os.environ | job, capture_output=True, text=True)
    first = run()
    assert first.returncode in (138, 143), first.stderr
    assert (tmp_path / "requeued").read_text() == f"requeue {job['SLURM_JOB_ID']}\n"
    second = run()
    assert second.returncode == 0, second.stderr
    assert losses(tmp_path / "run")[-1][0] == 300


@pytest.mark.parametrize("kind", ["generate", "eval"])
def test_parts_of_a_job_array_are_the_whole(laformer, alone, tmp_path, kind):
    count = ["--count", "10"]
    what = ["eigenvalues", "--dim", "3", *count] if kind == "generate" else [str(alone), *count, "--device", "cpu"]
    for part in ["1", "2", "3"]:
        job = os.environ | {"LAFORMER": BINARY, "SLURM_ARRAY_TASK_ID": part, "SLURM_ARRAY_TASK_COUNT": "3"}
        subprocess.run(["bash", ROOT / f"recipes/slurm/{kind}.sbatch", tmp_path / "parts", *what], env=job, check=True, capture_output=True)
    parts = sorted((tmp_path / "parts").iterdir())
    assert [part.name for part in parts] == ["part-0001.csv", "part-0002.csv", "part-0003.csv"]
    if kind == "generate":
        assert "3 files: 10 rows, all right" in laformer("verify", *parts)
        assert "".join(part.read_text() for part in parts) == laformer("generate", *what)
    else:
        assert "10 examples" in laformer("eval", *what, "--parts", *parts)
