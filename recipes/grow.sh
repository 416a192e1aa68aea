#!/bin/bash
# Trains a recipe by way of smaller sizes, each beginning with the weights of the one before, at a constant rate:
# bash recipes/grow.sh RECIPE CHECKPOINT FOLDER SIZE…
# The recipe itself comes last, in FOLDER and the recipe's name. STEPS are those of every smaller size, 2000 unless given. A run
# that was finished is not trained again.
set -euo pipefail
recipe=$1 from=$2 folder=$3
shift 3
laformer=${LAFORMER:-target/release/laformer}
steps=${STEPS:-2000}
mkdir -p "$folder"

# train NAME [OPTION…]
train() {
    local run=$folder/$1
    shift
    if [[ ! -e $run/done ]]; then
        "$laformer" train "$recipe" --output "$run" --overwrite --from "$from" "$@"
        touch "$run/done"
    fi
    from=$run
}
for size in "$@"; do
    sets=(--set "dim=$size" --set "training.steps=$steps" --set training.schedule=constant --set training.warmup=50)
    train "size-$size" "${sets[@]}"
done
train "$(basename "$recipe" .toml)"
