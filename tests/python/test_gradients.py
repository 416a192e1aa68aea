"""Compares laformer's training gradients with those of the independent model.

The gradients are computed from one training step. The first step of AdamW changes a weight by rate * g / (|g| + epsilon). If epsilon is
not small compared with the gradient g, the change determines g. So this tests the whole path: examples, encodings, loss, backward pass,
flat parameters and optimizer.
"""

import baseline
import pytest
import reference

BATCH, RATE, EPSILON = 16, 10.0, 1.0
STEP = {
    "data.targets": "exact",
    "loss.smoothing": 0,
    "training.steps": 1,
    "training.batch_size": BATCH,
    "training.optimizer": "adamw",
    "training.epsilon": EPSILON,
    "training.schedule": "constant",
    "training.warmup": 0,
    "training.clip": 0,
}
MODELS = {
    "laformer": {},
    "paper": {"model.architecture": "paper", "model.decoder_layers": 2},
    "universal": {"model.encoder_loops": 3, "model.gate": "copy", "model.input_injection": "true"},
    "encoder only": {"model.decoder": "none"},
    "lstm": {"model.architecture": "lstm"},
    "pair": {"model.architecture": "pair"},
    "gru": {"model.architecture": "gru", "model.decoder": "parallel", "encoding.input": "values"},
}


def weights_after(train, settings, rate):
    return train("eigenvalues", STEP | settings | {"training.learning_rate": rate}) / "model.safetensors"


@pytest.mark.parametrize("name", MODELS)
def test_one_step_of_training_follows_the_reference_gradient(laformer, train, tmp_path, name):
    # A learning rate too small to change a weight yields the initial weights.
    model = reference.load(weights_after(train, MODELS[name], 1e-30))
    after = reference.load(weights_after(train, MODELS[name], RATE)).state_dict()
    weights = model.recipe["loss"]

    data = tmp_path / "data.csv"
    laformer("generate", "eigenvalues", "--dim", 3, "--count", BATCH, "--output", data)
    source, target = baseline.read(data, model)
    weights |= dict.fromkeys(["mantissa", "digit", "number"], 1.0)
    baseline.loss(model, weights, source, target, model.all_positions(*model.size)).backward()

    largest = max(parameter.grad.abs().max() for parameter in model.parameters())
    for parameter_name, parameter in model.named_parameters():
        change = (parameter.detach().double() - after[parameter_name].double()) / RATE
        gradient = EPSILON * change / (1 - change.abs())
        # The tolerance is relative to each parameter's gradient, plus the effect of rounding to fp32.
        allowed = 1e-3 * parameter.grad.abs().max() + 1e-6 * largest
        error = (gradient - parameter.grad).abs().max()
        assert error <= allowed, f"{parameter_name}: {error} beside {parameter.grad.abs().max()}"
