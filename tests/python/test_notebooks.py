"""The notebooks run in a new kernel and compute what their text says. LAFORMER_KEEP_OUTPUTS=1 stores their outputs (`make notebooks`)."""

import copy
import json
import os

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

FOLDER = ROOT / "notebooks"
NAMES = ["quick-start", "generalization", "what-is-my-transformer-doing", "composition"]
# Time limit of a cell in seconds. The slowest one takes about 20 seconds on an idle core.
TIMEOUT = 1800


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs a whole notebook and returns the values of expressions at its end."""
    # Ignores the user's IPython profile, Matplotlib backend and checkpoints.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    for name in ("MPLBACKEND", "LAFORMER_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)

    def run(name, *expressions):
        path = FOLDER / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        executed = copy.deepcopy(notebook)
        executed.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps([{', '.join(expressions)}]))"))
        options = {"record_timing": False, "coalesce_streams": True, "resources": {"metadata": {"path": FOLDER}}}
        NotebookClient(executed, timeout=TIMEOUT, **options).execute()
        values = json.loads(executed.cells.pop().outputs[0].text)
        if os.environ.get("LAFORMER_KEEP_OUTPUTS"):
            # Restores the metadata, to which the kernel adds its version.
            executed.metadata = notebook.metadata
            nbformat.write(executed, path)
        return values

    return run


def test_quick_start(run):
    shares, trusted, spoiled = run("quick-start", "shares", "bool(trusted)", "residual_of_spoiled.item()")
    assert shares["0.05"] > 0.99
    assert trusted and spoiled > 0.05


def test_generalization(run):
    table, ratios, medians = run("generalization", "table", "ratios", "np.median(product_errors, 1).tolist()")
    for name, shares in table.items():
        assert sum(shares.values()) == pytest.approx(1), name
        assert shares["wrong, trusted"] <= 0.01 and shares["right, flagged"] <= 0.05, name
    assert table["eigenvalues-5x5"]["right, trusted"] > 0.95
    # The matrices of three of the thirteen families are singular.
    assert table["inverse-5x5"]["refused"] == pytest.approx(3 / 13, abs=0.02)
    assert ratios.pop("eigenvectors-5x5") > 0.99
    assert all(0.95 < ratio < 1.1 for ratio in ratios.values()), ratios
    assert max(medians) < 0.01, medians


def test_what_is_my_transformer_doing(run):
    correlations, inverses, gap, of_inverses, of_vectors, difference, probes = run(
        "what-is-my-transformer-doing",
        *("value_correlations", "inverse_correlations", "gap_correlation", "inverse_shares", "vector_shares", "difference", "explained"),
    )
    assert abs(correlations["largest coefficient"]) < 0.2
    assert min(inverses.values()) > 0.5 and gap < 0
    # Each pair has a share among right answers and one among wrong answers; None if there are no such answers.
    right, wrong = of_vectors["eigenvalues"]
    assert right > 0.99 and (wrong is None or wrong > 0.8)
    right, wrong = of_inverses["coefficients of P"]
    assert right > 0.95 and (wrong is None or wrong < right)
    assert difference < 1e-2
    trained, shuffled = ({name: max(shares) for name, shares in probes[title].items()} for title in ("trained", "shuffled"))
    assert min(trained["A²"], shuffled["A²"], trained["A⁴"], shuffled["A⁴"]) > 0.7
    for name in ["determinant", "first eigenvalue", "second eigenvalue", "third eigenvalue"]:
        assert trained[name] > shuffled[name] + 0.1, name
    first, third = (probes["trained"][f"{rank} eigenvalue"] for rank in ("first", "third"))
    assert third[1] < first[1] - 0.1


def test_composition(run):
    shares, cosines, error, fits = run(
        "composition", "shares", "cosines", "errors(exact(matrix_of(searched['model'])), wanted).max().item()", "fits"
    )
    assert min(shares.values()) > 0.95 and shares["soft_solve"] > shares["solve"] - 0.05
    for one, of_means in cosines:
        assert one > 0.9 and of_means > max(one, 0.99)
    assert error < 0.05
    assert max(fits.values()) < 0.05, fits


def test_every_notebook_is_run():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_kept_outputs_are_of_one_run_and_small(name):
    path = FOLDER / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run `make notebooks`"
    kinds = [output.output_type for cell in code for output in cell.outputs]
    assert kinds and "error" not in kinds
    assert path.stat().st_size < 400_000
