import json
from pathlib import Path

import numpy as np
import pytest
from model import flowers

HEADER = "SepalLength,SepalWidth,PetalLength,PetalWidth"


def test_columns_are_found_by_name() -> None:
    features, labels = flowers.parse("PetalWidth,SepalLength,SepalWidth,PetalLength\n4,1,2,3\n")
    assert features.tolist() == [[1.0, 2.0, 3.0, 4.0]]
    assert labels == []


def test_a_table_without_rows_is_an_empty_table() -> None:
    features, _ = flowers.parse(f"{HEADER}\n")
    assert features.shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns are none"),
        ("a,b\n1,2\n", "line 1: the columns are a, b"),
        (f"{HEADER},Species\n1,2,3,4,Setosa\n", "line 1: the columns are"),
        (f"{HEADER}\n1,2,3\n", "line 2: 3 cells; expected 4"),
        (f"{HEADER}\n1,2,3,4\n1,2,x,4\n", "line 3: PetalLength is 'x', not a number"),
        (f"{HEADER}\n1,2,3,nan\n", "line 2: PetalWidth is 'nan', not a finite number"),
        (f"{HEADER}\n1,1e999,3,4\n", "line 2: SepalWidth is '1e999', not a finite number"),
        (f'{HEADER}\n1,2,3,"4\n', "line 2: not CSV"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(flowers.TableError) as refused:
        flowers.parse(text)
    assert str(refused.value).startswith(message)


def test_an_empty_label_is_refused() -> None:
    with pytest.raises(flowers.TableError, match="line 2: Species is empty"):
        flowers.parse(f"{HEADER},Species\n1,2,3,4, \n", labelled=True)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_blocks_have_one_size_and_every_row_comes_back_once(count: int) -> None:
    rows = np.arange(count * 4, dtype=np.float64).reshape(-1, 4)
    sizes = []

    def double(block: np.ndarray) -> np.ndarray:
        sizes.append(len(block))
        return block * 2

    assert np.array_equal(flowers.in_blocks(double, rows, 4), rows * 2)
    assert set(sizes) <= {flowers.BLOCK}


def test_rendered_numbers_read_back_exactly() -> None:
    values = np.array([[0.1, 1 / 3, 5e-324]])
    lines = flowers.render(["a"], values, ["x", "y", "z"]).splitlines()
    assert lines[0] == "label,probability_x,probability_y,probability_z"
    assert [float(cell) for cell in lines[1].split(",")[1:]] == values[0].tolist()
    single = values.astype(np.float32)
    record = json.loads(flowers.render(["a"], single, ["x", "y", "z"], "json"))[0]
    assert np.array_equal(np.array(list(record.values())[1:], dtype=np.float32), single[0])
    assert record["probability_x"] == 0.1


def test_the_shipped_table_is_fishers() -> None:
    path = Path(flowers.__file__).parent / "pipeline" / "iris.csv"
    features, labels = flowers.parse(flowers.read_text(str(path)), labelled=True)
    assert features.shape == (150, 4)
    assert [labels.count(name) for name in ("Setosa", "Versicolor", "Virginica")] == [50, 50, 50]
    assert features.sum(axis=0).round(1).tolist() == [876.5, 458.6, 563.7, 179.9]
