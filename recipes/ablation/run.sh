#!/bin/bash
# One ingredient of the recipe taken away at a time, at equal examples: bash recipes/ablation/run.sh RECIPE FOLDER [SEED…]
# Each line of FOLDER/table.txt: what is changed, the seed, seconds of training, accuracy at 5 / 2 / 1 / 0.5 %.
set -euo pipefail
recipe=$1 folder=$2
shift 2
laformer=${LAFORMER:-target/release/laformer}
mkdir -p "$folder"

variants=(
    "the whole recipe"
    "given form              encoding.canonical=false"
    "given form, leaning     encoding.canonical=false data.sign_bias=0.7"
    "GELU feed-forward       model.activation=gelu"
    "AdamW for all           training.optimizer=adamw"
    "tokens in               encoding.input=P1000"
    "autoregressive out      model.decoder=autoregressive"
    "equal loss weights      loss.sign=1 loss.exponent=1"
    "sharp labels            loss.smoothing=0"
    "two encoder layers      model.encoder_layers=2"
    "flat positions          model.positions=flat"
    "post-norm               model.normalization=post-layer"
    "fp32                    training.precision=fp32"
    "batch 256               training.batch_size=256 training.steps=375 training.warmup=38"
    "targets before rounding data.targets=exact"
)
for seed in "${@:-1}"; do
    for variant in "${variants[@]}"; do
        name=${variant:0:23}
        name=${name%"${name##*[! ]}"}
        set=()
        for change in ${variant:24}; do set+=(--set "$change"); done
        run="$folder/${name// /-}-$seed"
        "$laformer" train "$recipe" --output "$run" --overwrite --set training.seed="$seed" "${set[@]}" 2> "$run.log"
        tail -n 1 "$run/metrics.csv" | awk -F, -v name="$name" -v seed="$seed" '{
            printf "%-24s seed %d  %5.0f s  %6.2f %6.2f %6.2f %6.2f\n", name, seed, $3, 100*$(NF-5), 100*$(NF-4), 100*$(NF-3), 100*$(NF-2)
        }' | tee -a "$folder/table.txt"
    done
done
