//! Processes that train one model together. torchrun starts them, or srun with the same variables.

use crate::dataset::Share;
use crate::libtorch::{Network, ProcessGroup, Rendezvous};
use anyhow::{Context, Result, bail, ensure};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};
use std::{env, io, thread};
use tch::{Device, Tensor};

/// The rank of this process among the processes that train together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The number of this process, from 0. Only process 0 evaluates and writes files.
    pub number: usize,
    /// The number of processes.
    pub count: usize,
    /// The number of this process on its machine, and the number of processes there.
    pub local: usize,
    pub local_count: usize,
    host: String,
    port: u16,
    /// The interface to the other machines, if `GLOO_SOCKET_IFNAME` names one.
    interface: Option<String>,
    /// Whether torchrun serves the store, and the number of its attempt.
    agent: bool,
    attempt: String,
}

impl Rank {
    /// Reads `RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`, `LOCAL_RANK` and `LOCAL_WORLD_SIZE`. Returns `None` if
    /// this process trains alone.
    pub fn from_environment() -> Result<Option<Self>> {
        Self::from(|name| env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let Some(count) = variable("WORLD_SIZE") else {
            return Ok(None);
        };
        let number = |name: &str, text: &str| -> Result<usize> {
            text.parse()
                .with_context(|| format!("{name}={text}: a number of processes is needed"))
        };
        let needed = |name: &str| {
            variable(name).with_context(|| {
                format!(
                    "WORLD_SIZE={count} says that processes train together, but {name} is missing: \
                     start them by torchrun, or unset WORLD_SIZE"
                )
            })
        };
        let rank = needed("RANK")?;
        let (number_of_this, count_of_all) = (number("RANK", &rank)?, number("WORLD_SIZE", &count)?);
        ensure!(
            number_of_this < count_of_all,
            "RANK={rank}: there are {count} processes, numbered from 0"
        );
        if count_of_all == 1 {
            return Ok(None);
        }
        let port = needed("MASTER_PORT")?;
        let local = variable("LOCAL_RANK").map_or(Ok(0), |text| number("LOCAL_RANK", &text))?;
        let local_count = variable("LOCAL_WORLD_SIZE").map_or(Ok(1), |text| number("LOCAL_WORLD_SIZE", &text))?;
        Ok(Some(Self {
            number: number_of_this,
            count: count_of_all,
            local,
            local_count: local_count.max(1),
            host: needed("MASTER_ADDR")?,
            port: port
                .parse()
                .with_context(|| format!("MASTER_PORT={port}: a port is a number below 65536"))?,
            interface: variable("GLOO_SOCKET_IFNAME").filter(|name| !name.is_empty()),
            agent: variable("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True"),
            attempt: variable("TORCHELASTIC_RESTART_COUNT").unwrap_or_default(),
        }))
    }

    /// Fails if there are more processes than examples of a batch.
    pub fn check_batch(&self, batch_size: usize) -> Result<()> {
        ensure!(
            batch_size >= self.count,
            "training.batch_size = {batch_size}: {} processes train together, and each needs an example",
            self.count
        );
        Ok(())
    }

    /// Where the other processes reach this one: the named interface, or the address from which this machine reaches the
    /// store.
    fn network(&self) -> Result<Network> {
        if let Some(name) = &self.interface {
            return Ok(Network::Interface(name.clone()));
        }
        let address = |any: IpAddr| -> io::Result<IpAddr> {
            // Nothing is sent: connecting a datagram socket only chooses the route.
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect((self.host.as_str(), self.port))?;
            Ok(socket.local_addr()?.ip())
        };
        let found = address(Ipv4Addr::UNSPECIFIED.into()).or_else(|_| address(Ipv6Addr::UNSPECIFIED.into()));
        let found = found.with_context(|| {
            format!(
                "MASTER_ADDR={}: this machine has no way there; GLOO_SOCKET_IFNAME can name the network interface to use",
                self.host
            )
        })?;
        Ok(Network::Address(found))
    }

    /// Whether this process evaluates and writes the files of the run.
    pub fn is_first(&self) -> bool {
        self.number == 0
    }
}

/// The processes of a training. Each makes the same calls in the same order.
#[derive(Debug)]
pub struct Ranks {
    rank: Rank,
    group: ProcessGroup,
    timeout: Duration,
}

/// After a failed call: the time for which the other processes may report that they still run. Process 0, which may serve the
/// store, waits twice as long, so that the others can ask it.
const ROLL_CALL: Duration = Duration::from_secs(2);
/// After a failed call: the time within which the store must answer, else its process is lost.
const STORE: Duration = Duration::from_secs(5);

impl Ranks {
    /// Waits until all processes have joined. A call fails if others do not make it within `timeout`.
    pub fn join(rank: Rank, device: Device, timeout: Duration) -> Result<Self> {
        let rendezvous = Rendezvous {
            host: rank.host.clone(),
            port: rank.port,
            serves: rank.is_first() && !rank.agent,
            prefix: format!("laformer/{}", rank.attempt),
            rank: rank.number,
            count: rank.count,
            timeout,
            network: rank.network()?,
            cuda: device.is_cuda(),
        };
        let group = ProcessGroup::join(&rendezvous).with_context(|| {
            format!(
                "process {} of {} did not find all others at {}:{} within {} s",
                rank.number,
                rank.count,
                rank.host,
                rank.port,
                timeout.as_secs()
            )
        })?;
        Ok(Self { rank, group, timeout })
    }

    pub fn rank(&self) -> &Rank {
        &self.rank
    }

    /// The examples of every batch that this process computes.
    pub fn share(&self, batch_size: usize) -> Share {
        Share::of(batch_size, self.rank.number, self.rank.count)
    }

    /// Replaces a tensor by its sum over all processes, which has the same bits everywhere.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        let summed = self.group.sum(tensor);
        self.explained(summed)
    }

    /// Replaces tensors by their values in process 0.
    pub fn broadcast<'a>(&self, tensors: impl IntoIterator<Item = &'a mut Tensor>) -> Result<()> {
        for tensor in tensors {
            let sent = self.group.broadcast(tensor);
            self.explained(sent)?;
        }
        Ok(())
    }

    /// Returns the text of process 0 in all processes.
    pub fn text(&self, text: &str) -> Result<String> {
        let mut length = Tensor::from_slice(&[text.len() as i64]);
        self.broadcast([&mut length])?;
        let length = length.int64_value(&[0]) as usize;
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(length, 0);
        let mut bytes = Tensor::from_slice(&bytes);
        self.broadcast([&mut bytes])?;
        let bytes: Vec<u8> = Vec::try_from(&bytes)?;
        Ok(String::from_utf8(bytes)?)
    }

    /// Whether `here` is true in any process.
    pub fn any(&self, here: bool) -> Result<bool> {
        let mut count = Tensor::from_slice(&[i64::from(here)]);
        self.sum(&mut count)?;
        Ok(count.int64_value(&[0]) > 0)
    }

    /// Waits without a time limit until process 0 makes this call with the same key.
    pub fn wait_for_first(&self, key: &str) -> Result<()> {
        if self.rank.is_first() {
            let told = self.group.tell(key, self.timeout);
            return self.explained(told);
        }
        loop {
            let told = self.group.told(key, self.timeout);
            if self.explained(told)? {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fails in a process whose numbers differ from the numbers in process 0.
    pub fn check_equal(&self, numbers: &Tensor, step: u64) -> Result<()> {
        let own = crc(numbers)?;
        let mut first = Tensor::from_slice(&[own]);
        self.broadcast([&mut first])?;
        ensure!(
            first.int64_value(&[0]) == own,
            "after step {step}, process {} has other weights than process 0: they no longer train the same model",
            self.rank.number
        );
        Ok(())
    }

    /// Adds the lost processes to the error of a call.
    fn explained<T>(&self, outcome: crate::libtorch::Result<T>) -> Result<T> {
        let error = match outcome {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // A process that waits for this one, and not for the lost one, notices only now.
        let lost = match self.group.leave().and_then(|()| self.lost()) {
            Ok(lost) if lost.is_empty() => bail!("the processes lost each other: {error}"),
            Ok(lost) => lost,
            // Process 0 or torchrun serves the store.
            Err(_) => bail!("process 0, or the torchrun that started it, is lost: {error}"),
        };
        let (processes, are) = if lost.len() == 1 {
            ("process", "is")
        } else {
            ("processes", "are")
        };
        let lost: Vec<String> = lost.iter().map(usize::to_string).collect();
        bail!(
            "{processes} {} of {} {are} lost: {error}",
            lost.join(", "),
            self.rank.count
        )
    }

    /// The processes that do not answer a roll call.
    fn lost(&self) -> crate::libtorch::Result<Vec<usize>> {
        let key = |number: usize| format!("present/{number}");
        self.group.tell(&key(self.rank.number), STORE)?;
        let until = Instant::now() + if self.rank.is_first() { 2 * ROLL_CALL } else { ROLL_CALL };
        loop {
            let mut lost = Vec::new();
            for number in 0..self.rank.count {
                if !self.group.told(&key(number), STORE)? {
                    lost.push(number);
                }
            }
            if lost.is_empty() || Instant::now() >= until {
                return Ok(lost);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A checksum of the bits of a tensor.
fn crc(numbers: &Tensor) -> Result<i64> {
    let numbers = numbers.to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; numbers.numel() * numbers.kind().elt_size_in_bytes()];
    numbers.f_copy_data_u8(&mut bytes, numbers.numel())?;
    Ok(crc32fast::hash(&bytes).into())
}
