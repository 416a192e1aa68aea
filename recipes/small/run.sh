#!/bin/bash
# Trains the small experiments into a folder and prints their tables: bash recipes/small/run.sh FOLDER [EXPERIMENT…]
# A run that is there is not trained again.
set -euo pipefail
folder=$1
shift
laformer=${LAFORMER:-target/release/laformer}
small=recipes/small
mkdir -p "$folder"

# train NAME RECIPE [OPTION…]
train() {
    local run=$folder/$1 recipe=$2
    shift 2
    [[ -e $run/model.pt ]] && return
    "$laformer" train "$recipe" --output "$run" --overwrite "$@" 2> "$run.log"
}
runs() { printf "$folder/%s\n" "$@"; }
# table NAME COMMAND…
table() {
    local name=$1
    shift
    echo "== $name: laformer $*"
    "$laformer" "$@" | tee "$folder/$name.txt"
    echo
}

spectra() {
    local laws=(semicircle uniform gaussian laplace abs-semicircle abs-laplace marchenko-pastur)
    for law in "${laws[@]}"; do train "spectrum-$law" "$small/spectrum-$law.toml"; done
    table spectra transfer $(runs "${laws[@]/#/spectrum-}") --count 2000 --as-given --csv "$folder/spectra.csv" --picture "$folder/spectra.svg"
}
spectra-5x5() {
    local laws=(semicircle uniform gaussian laplace abs-semicircle abs-laplace marchenko-pastur)
    for law in "${laws[@]}"; do train "five-$law" "$small/spectra-5x5.toml" --set "data.spectrum=$law"; done
    local files=(--csv "$folder/spectra-5x5.csv" --picture "$folder/spectra-5x5.svg")
    table spectra-5x5 transfer $(runs "${laws[@]/#/five-}") --count 2000 --as-given "${files[@]}"
    table spectra-5x5-normalized transfer $(runs "${laws[@]/#/five-}") --count 2000
}
noise() {
    train spectrum-semicircle "$small/spectrum-semicircle.toml"
    for share in 2 5; do train "noise-$share" "$small/noise-$share.toml"; done
    for run in spectrum-semicircle noise-2 noise-5; do
        table "$run-tested" eval "$folder/$run" --noise 0,0.01,0.02,0.05 --count 5000
    done
}
sizes() {
    train sizes "$small/sizes.toml"
    table sizes-tested eval "$folder/sizes" --dim 2,3,4,5,6 --count 5000
    train rectangular "$small/rectangular.toml"
    table rectangular-tested eval "$folder/rectangular" --count 9000
}
larger() {
    local steps=(2 16 128 1024 4700)
    for count in "${steps[@]}"; do
        train "larger-$count" "$small/larger.toml" --from checkpoints/eigenvalues-5x5 --set training.steps=$count --set training.warmup=$((count / 20))
        train "larger-scratch-$count" "$small/larger.toml" --set training.steps=$count --set training.warmup=$((count / 20))
    done
    table larger curve $(runs "${steps[@]/#/larger-}" "${steps[@]/#/larger-scratch-}") --ends --picture "$folder/larger.svg"
}
another-law() {
    for count in 16 128 1024; do
        local sets=(--set data.spectrum=laplace --set "training.steps=$count" --set "training.warmup=$((count / 20))")
        train "law-$count" "$small/spectra-5x5.toml" --from checkpoints/eigenvalues-5x5 "${sets[@]}"
        train "law-scratch-$count" "$small/spectra-5x5.toml" "${sets[@]}"
    done
    table another-law curve $(runs law-{16,128,1024} law-scratch-{16,128,1024}) --ends --picture "$folder/another-law.svg"
}
co-training() {
    train co-training "$small/co-training.toml"
    table co-trained eval "$folder/co-training" --count 5000
    for problem in transpose add eigenvalues; do
        train "single-$problem" "$small/single-$problem.toml"
        table "single-$problem-tested" eval "$folder/single-$problem" --count 5000
    done
}
# compare NAME RUN…
compare() {
    local name=$1
    shift
    table "$name" curve $(runs "$@") --picture "$folder/$name.svg"
}
architectures() {
    local names=(spectrum-semicircle universal encoder-only lstm gru)
    for name in "${names[@]}"; do train "$name" "$small/$name.toml"; done
    compare architectures "${names[@]}"
}
encodings() {
    local names=(spectrum-semicircle paper-p10 paper-p1000 paper-b1999 paper-fp15)
    for name in "${names[@]}"; do train "$name" "$small/$name.toml"; done
    compare encodings "${names[@]}"
}
two-set() {
    train two-set "$small/two-set.toml"
    train one-set "$small/two-set.toml" --set data.repeated=0 --set data.repeated_share=0
    compare two-sets two-set one-set
}
grokking() {
    train grokking "$small/grokking.toml"
    compare grokked grokking
}

all=(spectra spectra-5x5 noise sizes larger another-law co-training architectures encodings two-set grokking)
for experiment in "${@:-${all[@]}}"; do "$experiment"; done
