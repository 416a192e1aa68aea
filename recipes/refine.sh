#!/bin/bash
# Trains a recipe, then goes on from its best weights in fp32 with smaller steps: bash recipes/refine.sh NAME STEPS FOLDER [--set KEY=VALUE…]
# recipes/NAME.toml goes into FOLDER/NAME-begun, what is shipped into FOLDER/NAME. A first run that is there is not trained again;
# options are for the second.
set -euo pipefail
name=$1 steps=$2 folder=$3
shift 3
laformer=${LAFORMER:-target/release/laformer}
begun=$folder/$name-begun

[[ -e $begun/model.safetensors ]] || "$laformer" train "recipes/$name.toml" --output "$begun"
"$laformer" train "recipes/$name.toml" --from "$begun" --output "$folder/$name" \
    --set training.precision=fp32 --set training.steps="$steps" --set training.warmup=100 \
    --set training.muon_learning_rate=0.004 --set training.learning_rate=4e-4 --set evaluation.every=1000 "$@"
