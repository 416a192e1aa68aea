#!/bin/bash
# An hour with a GPU: checks, benchmarks, then trains models that read matrices as they are, the most wanted first.
#
#     benches/cuda.sh FOLDER [MINUTES]           by default 25 minutes
#     DEVICE=cpu SHRINK=400 benches/cuda.sh FOLDER 3      a rehearsal without a GPU: each run with a 400th of its steps
#
# FOLDER gets check.log, bench.log, train.log, eval.log and one archive of each model: recipe, metrics, log, and the module with
# matrices in half precision, at most 16 MiB each. A training starts only where enough time is left for it.
#
# Variables: LAFORMER_BIN is the program [target/release/laformer], LAFORMER_TESTS its compiled unit tests, for machines without cargo,
# ONLY a pattern of steps and recipes (check, bench, inverse-5x5 …), PARALLEL the trainings at once, LAWT a checkout of LAWT.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mkdir -p "${1:?which folder?}" && cd "$1" && pwd)
deadline=$(( $(date +%s) + ${2:-25} * 60 ))
export DEVICE=${DEVICE:-cuda} SHRINK=${SHRINK:-1} LAFORMER_BIN=${LAFORMER_BIN:-$PWD/target/release/laformer}
runs=$(mktemp -d)
wanted() { [[ $1 =~ ${ONLY:-.} ]]; }

# A GPU shares its time among processes; with NVIDIA's Multi-Process Service they run at once, as small models can.
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

# Trains RECIPE where MINUTES are left, measures and packs the model.
train() {
    local minutes=$1 recipe=$2 name start
    name=$(basename "$recipe" .toml)
    start=$(date +%s)
    if (( start + minutes * 60 / SHRINK > deadline )); then
        echo "$name: no time left"
        return
    fi
    local steps log=$runs/$name.log
    steps=$(sed -n 's/^steps = //p' "$recipe")
    "$LAFORMER_BIN" train "$recipe" --device "$DEVICE" --output "$runs/$name" --set training.precision=fp32 \
        --set training.data_threads=3 --set evaluation.every=0 --set evaluation.count=$(( 10000 / SHRINK )) \
        --set training.steps=$(( steps / SHRINK )) > "$log" 2>&1 || { tail -3 "$log"; return; }
    "$LAFORMER_BIN" export "$runs/$name" --half --output "$runs/$name/half.pt" > /dev/null
    "$LAFORMER_BIN" eval "$runs/$name/half.pt" --device "$DEVICE" --count $(( 10000 / SHRINK )) >> "$folder/eval.log" 2>> "$log"
    tar czf "$folder/$name.tgz" -C "$runs" "$name.log" "$name"/{config.toml,metrics.csv,curves.svg,README.md,half.pt}
    echo "$name: $(( $(date +%s) - start )) s, $(grep -h '^evaluated' "$log" | tail -n 1)"
}
export -f train
export runs folder deadline

: > "$folder/eval.log"
if wanted check; then check 2>&1 | tee "$folder/check.log"; fi
if wanted bench; then bench 2>&1 | tee "$folder/bench.log"; fi
while read -r minutes recipe; do
    if wanted "$recipe"; then echo "$minutes $recipe"; fi
done << 'LIST' | xargs -P "${PARALLEL:-4}" -L 1 bash -c 'train "$@"' train 2>&1 | tee "$folder/train.log"
8 recipes/raw/inverse-5x5.toml
6 recipes/eigenvectors-5x5.toml
6 recipes/svd-4x4.toml
4 recipes/raw/matrix-product-5x5.toml
3 recipes/raw/singular-values-5x5.toml
3 recipes/eigenvalues-10x10.toml
3 recipes/eigenvalues-5x5.toml
LIST
