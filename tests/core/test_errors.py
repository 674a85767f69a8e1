import inspect
from pathlib import Path

import stormsail.core.errors as errors

DOCS = Path(__file__).parents[2] / "docs" / "errors"


def every_error():
    return [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, errors.StormsailError)]


def test_every_code_is_used_once_and_has_its_page():
    codes = [e.code for e in every_error()]
    assert len(codes) == len(set(codes))
    missing = [code for code in codes if code != "E000" and not (DOCS / f"{code}.md").exists()]
    assert not missing


def test_an_error_says_where_what_and_what_to_do():
    error = errors.PortfolioError("quantity is -3", cure="write a positive quantity", where="portfolio.csv row 4")
    assert str(error) == "E110 portfolio.csv row 4: quantity is -3. Cure: write a positive quantity"
    assert error.as_dict()["exit_code"] == 2
