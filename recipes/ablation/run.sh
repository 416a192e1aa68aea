#!/bin/bash
# One ingredient of the recipe taken away at a time, at equal examples: bash recipes/ablation/run.sh RECIPE FOLDER [SEED…]
# Each line of FOLDER/table.txt: what is changed, the seed, seconds of training, accuracy at 5 / 2 / 1 / 0.5 %. A run that is
# there is not trained again. FOLDER/examples.svg has the paper's recipe beside the whole one as examples come in.
# ONLY='whole|flat' in the environment runs the rows whose names match, and draws nothing.
set -euo pipefail
recipe=$1 folder=$2
shift 2
laformer=${LAFORMER:-target/release/laformer}
mkdir -p "$folder"

has() { grep -q "^$1" "$recipe"; }
number() { sed -n "s/^$1 = //p" "$recipe"; }
steps=$(number steps)

paper="model.architecture=paper model.activation=relu model.encoder_layers=2 training.optimizer=adamw
    training.schedule=cosine training.learning_rate=5e-4 training.threads=1 training.average=0 loss.free_signs=false"
variants=("the whole recipe")
if has 'input = "condensed"'; then
    variants+=("not condensed           encoding.input=values")
fi
if has 'free_signs = true'; then
    variants+=("signs of the solutions  loss.free_signs=false")
fi
if has 'problem = "eigen' && ! has 'input = '; then
    variants+=("half the matrix         encoding.input=triangle")
fi
if has 'activation = "bilinear"'; then
    variants+=(
        "GELU feed-forward       model.activation=gelu"
        "two encoder layers      model.encoder_layers=2"
    )
fi
if has 'sign = 1'; then
    variants+=("heavier loss weights    loss.sign=5 loss.exponent=2")
else
    variants+=("equal loss weights      loss.sign=1 loss.exponent=1")
fi
if has 'average = '; then
    variants+=("last weights            training.average=0")
else
    variants+=("averaged weights        training.average=0.1")
fi
variants+=(
    "one layer, four times   model.encoder_layers=1 model.encoder_loops=4"
    "AdamW for all           training.optimizer=adamw"
    "tokens in               encoding.input=P1000"
    "autoregressive out      model.decoder=autoregressive loss.free_signs=false"
    "no decoder              model.decoder=none"
    "sharp labels            loss.smoothing=0"
    "four digits             encoding.output=P1000:4"
    "flat positions          model.positions=flat"
    "post-norm               model.normalization=post-layer"
    "fp32                    training.precision=fp32"
    "batch 256               training.batch_size=256 training.steps=$((steps / 4)) training.warmup=$((steps / 40)) evaluation.every=$((steps / 20))"
    "constant rate           training.schedule=constant training.average=0"
    "constant, averaged      training.schedule=constant training.average=0.1"
    "targets before rounding data.targets=exact"
    "the paper's, small      encoding.input=P1000 encoding.output=P1000 $paper"
)
for seed in "${@:-1}"; do
    for variant in "${variants[@]}"; do
        name=${variant:0:23}
        name=${name%"${name##*[! ]}"}
        [[ $name =~ ${ONLY:-.} ]] || continue
        set=()
        for change in ${variant:24}; do set+=(--set "$change"); done
        run="$folder/$(tr -cs 'a-zA-Z0-9' - <<< "$name")$seed"
        [[ -e $run/done ]] && continue
        "$laformer" train "$recipe" --output "$run" --overwrite --set training.seed="$seed" "${set[@]}" > /dev/null 2> "$run.log"
        tail -n 1 "$run/metrics.csv" | awk -F, -v name="$name" -v seed="$seed" '{
            printf "%-24s seed %d  %5.0f s  %6.2f %6.2f %6.2f %6.2f\n", name, seed, $3, 100*$(NF-5), 100*$(NF-4), 100*$(NF-3), 100*$(NF-2)
        }' | tee -a "$folder/table.txt"
        touch "$run/done"
    done
done
[[ -n ${ONLY:-} ]] || "$laformer" curve "$folder"/the-{whole-recipe,paper-s-small}-"${1:-1}" --picture "$folder/examples.svg" > "$folder/examples.txt"
