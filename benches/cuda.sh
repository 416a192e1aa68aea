#!/bin/bash
# Uses a GPU for a limited time: checks, benchmarks, then trainings of models that read matrices unchanged, by priority.
#
#     benches/cuda.sh FOLDER [MINUTES]           by default 25 minutes
#     DEVICE=cpu SHRINK=400 benches/cuda.sh FOLDER 3      a rehearsal without a GPU: each run with a 400th of its steps
#
# Trainings stop at the deadline. Another call with the same FOLDER resumes those in FOLDER/runs.
# FOLDER gets check.log, bench.log, train.log and eval.log. FOLDER/results gets at most 8 files of at most 16 MiB: an archive of the
# logs, and archives of the models (recipe, metrics, log, weights in half precision). Small models share one archive.
#
# Variables:
#     LAFORMER_BIN    the program [target/release/laformer]
#     LAFORMER_TESTS  its compiled unit tests, for machines without cargo
#     ONLY            a pattern of steps and recipes: check, bench, inverse-5x5 …
#     PARALLEL        the number of trainings at once [5]
#     LAWT            a checkout of LAWT
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mkdir -p "${1:?which folder?}" && cd "$1" && pwd)
deadline=$(( $(date +%s) + ${2:-25} * 60 ))
export DEVICE=${DEVICE:-cuda} SHRINK=${SHRINK:-1} LAFORMER_BIN=${LAFORMER_BIN:-$PWD/target/release/laformer}
runs=$folder/runs
mkdir -p "$runs"
wanted() { [[ $1 =~ ${ONLY:-.} ]]; }

# By default, processes take turns on a GPU. NVIDIA's Multi-Process Service runs the small models at the same time.
if [[ $DEVICE = cuda ]] && command -v nvidia-cuda-mps-control > /dev/null; then
    export CUDA_MPS_PIPE_DIRECTORY=$runs/mps CUDA_MPS_LOG_DIRECTORY=$runs/mps-log
    mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" "$CUDA_MPS_LOG_DIRECTORY"
    nvidia-cuda-mps-control -d
    trap 'echo quit | nvidia-cuda-mps-control > /dev/null' EXIT
fi

check() {
    "$LAFORMER_BIN" doctor
    if [[ -n ${LAFORMER_TESTS:-} ]]; then
        "$LAFORMER_TESTS" --test-threads=1 capture graph cuda
    elif [[ $SHRINK = 1 ]]; then
        cargo test --release --locked --lib -- --test-threads=1 capture graph cuda
        cargo test --release --locked --test cli -- captured
    fi
}

bench() {
    local seconds=$(( SHRINK == 1 ? 3 : 1 ))
    for width in 128 256; do
        for precision in fp32 bf16; do
            for graph in "" --no-graph; do
                [[ $DEVICE = cpu && $graph ]] && continue
                echo "width $width, $precision $graph"
                "$LAFORMER_BIN" bench train --device "$DEVICE" --seconds $seconds $graph --recipe recipes/raw/inverse-5x5.toml \
                    --set model.width=$width --set training.batch_size=128 --set training.precision=$precision
            done
        done
    done
    if [[ $DEVICE = cuda ]]; then python3 benches/compare.py cuda; fi
    if [[ -n ${LAWT:-} ]]; then python3 benches/compare.py paper; fi
}

# Trains RECIPE until the deadline at most, measures and packs the model.
train() {
    local recipe=$1 name start left
    name=$(tr / - <<< "${recipe#recipes/}")
    name=${name%.toml}
    start=$(date +%s)
    left=$(( deadline - start ))
    if [[ -e $runs/$name.tgz ]] || (( left < 20 )); then
        echo "$name: $([[ -e $runs/$name.tgz ]] && echo done before || echo no time left)"
        return
    fi
    local steps log=$runs/$name.log
    steps=$(sed -n 's/^steps = //p' "$recipe")
    # A save takes seconds on some machines, so only ten are made.
    timeout "$left" "$LAFORMER_BIN" train "$recipe" --device "$DEVICE" --output "$runs/$name" --resume --set training.precision=fp32 \
        --set training.data_threads=2 --set evaluation.every=0 --set evaluation.count=$(( SHRINK == 1 ? 10000 : 50 )) \
        --set training.save_every=$(( steps / SHRINK / 10 )) --set training.steps=$(( steps / SHRINK )) >> "$log" 2>&1 || { tail -n 3 "$log"; return; }
    "$LAFORMER_BIN" export "$runs/$name" --half --output "$runs/$name/half.safetensors" > /dev/null
    "$LAFORMER_BIN" eval "$runs/$name/half.safetensors" --device "$DEVICE" --count $(( SHRINK == 1 ? 10000 : 50 )) >> "$folder/eval.log" 2>> "$log"
    tar czf "$runs/$name.tgz" -C "$runs" "$name.log" "$name"/{config.toml,metrics.csv,curves.svg,README.md,half.safetensors}
    echo "$name: $(( $(date +%s) - start )) s, $(grep -h '^evaluated' "$log" | tail -n 1)"
}
export -f train
export runs folder deadline

touch "$folder/eval.log"
if wanted check; then check 2>&1 | tee "$folder/check.log"; fi
if wanted bench; then bench 2>&1 | tee "$folder/bench.log"; fi
for recipe in recipes/raw/inverse-5x5.toml recipes/eigenvectors-5x5.toml recipes/svd-4x4.toml recipes/matrix-product.toml \
    recipes/raw/inverse.toml recipes/singular-values-5x5.toml recipes/eigenvalues-10x10.toml recipes/eigenvalues-5x5.toml; do
    if wanted "$recipe"; then echo "$recipe"; fi
done | xargs -P "${PARALLEL:-5}" -L 1 bash -c 'train "$@"' train 2>&1 | tee "$folder/train.log"

rm -rf "$folder/results"
mkdir "$folder/results"
tar czf "$folder/results/logs.tgz" -C "$folder" --exclude=runs --exclude=results .
find "$runs" -maxdepth 1 -name '*.tgz' -size -4096k -printf '%f\n' | xargs -r tar cf "$folder/results/small.tar" -C "$runs"
find "$runs" -maxdepth 1 -name '*.tgz' -size +4095k -exec cp {} "$folder/results/" \;
ls -l "$folder/results"
