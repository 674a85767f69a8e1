"""Portfolio files: right handling or a clear error that names row, column and cure; never a lost row."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stormsail.adapters.files.portfolio_file import read_portfolio, write_portfolio
from stormsail.core import STABLECOINS, Holding, Lot, Portfolio, PortfolioError, StormsailError


def read(tmp_path: Path, content: str | bytes, name: str = "p.csv") -> Portfolio:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_portfolio(path)


def failure(tmp_path: Path, content: str | bytes, name: str = "p.csv") -> str:
    with pytest.raises(PortfolioError) as caught:
        read(tmp_path, content, name)
    return str(caught.value)


def test_plain_table(tmp_path: Path) -> None:
    p = read(tmp_path, "asset,quantity\nsol,120.5\nSUI,5_000\nusdt,1e3\n")
    assert p.quantities() == {"SOL": Decimal("120.5"), "SUI": Decimal(5000), "USDT": Decimal(1000)}
    assert p.name == "p" and p.currency == "USD"
    assert p.holdings[0] == Holding("SOL", Decimal("120.5"))


def test_lots_of_one_place_are_one_holding_in_order_of_appearance(tmp_path: Path) -> None:
    p = read(
        tmp_path,
        "asset,quantity,acquired,unit_cost,venue\n"
        "SOL,1,2023-01-15,23.10,binance\nADA,5,,,\nSOL,2,2023-06-01,20.00,binance\nSOL,3,,,ledger\n",
    )
    first, ada, wallet = p.holdings
    assert first.quantity == 3
    assert first.lots == (
        Lot(Decimal(1), date(2023, 1, 15), Decimal("23.10")),
        Lot(Decimal(2), date(2023, 6, 1), Decimal("20.00")),
    )
    assert (ada.asset, wallet.venue, wallet.lots) == ("ADA", "ledger", ())


@pytest.mark.parametrize("header", ["Symbol,QTY", " coin , Amount ", "ticker,balance", '"Asset","Quantity"'])
def test_synonyms_and_spaces(tmp_path: Path, header: str) -> None:
    assert read(tmp_path, f"{header}\nSOL,2\n").quantities() == {"SOL": Decimal(2)}


@pytest.mark.parametrize("header", ["unit cost", "Cost", "price paid per coin", "price-paid"])
def test_synonyms_of_cost(tmp_path: Path, header: str) -> None:
    assert read(tmp_path, f"asset,quantity,{header}\nSOL,2,20\n").holdings[0].lots[0].unit_cost == 20


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_delimiters_line_ends_and_bom(tmp_path: Path, delimiter: str, end: str, bom: bytes) -> None:
    rows = [["asset", "quantity", "venue"], ["SOL", "1.5", '"my wallet"'], ["ADA", "0.125", ""]]
    raw = bom + end.join(delimiter.join(row) for row in rows).encode()
    p = read(tmp_path, raw)
    assert p.quantities() == {"ADA": Decimal("0.125"), "SOL": Decimal("1.5")}
    assert p.holdings[0].venue == "my wallet"


def test_blank_lines_and_comments_are_passed_over_and_rows_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    text = failure(tmp_path, "# mine\n\nasset,quantity\n,,\n# note\nSOL,zero\n")
    assert "row 6, column quantity" in text and "'zero' is not a number" in text


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('"1.234,56"', "decimal comma. Cure: write 1234.56"),
        ('"1,234"', "'1,234' is 1234 or 1.234"),
        ('"1,5"', "Cure: write 1.5"),
        ("1.234.567", "Cure: write 1234567"),
        ("-3", "-3 is negative"),
        ("0", "the quantity is 0"),
        ("0.00", "the quantity is 0"),
        ("nan", "not a number"),
        ("inf", "not a number"),
        ("-Infinity", "not a number"),
        ("1e999", "out of any range"),
        ("$5", "not a number"),
        ("1 234", "not a number"),
        ("٣", "not a number"),
        ("", "no quantity"),
    ],
)
def test_quantities_that_are_refused(tmp_path: Path, cell: str, words: str) -> None:
    text = failure(tmp_path, f"asset,quantity,venue\nADA,1,\nSOL,{cell},x\n")
    assert "row 3, column quantity" in text and words in text and "Cure:" in text and "p.csv" in text


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('"1,234.56"', "1234.56"),
        ('"1,234,567"', "1234567"),
        ("1e3", "1000"),
        ("+2.50", "2.5"),
        (".5", "0.5"),
        ("1.234", "1.234"),
    ],
)
def test_quantities_that_are_clear(tmp_path: Path, cell: str, value: str) -> None:
    assert read(tmp_path, f"asset,quantity\nSOL,{cell}\n").quantities()["SOL"] == Decimal(value)


def test_an_unquoted_decimal_comma_does_not_become_two_cells(tmp_path: Path) -> None:
    text = failure(tmp_path, "asset,quantity\nSOL,1.234,56\n")
    assert "row 2" in text and "3 cells under 2 columns" in text and "decimal point" in text


def test_a_point_before_three_digits_is_refused_where_semicolons_part(tmp_path: Path) -> None:
    assert "write 1.2340 or 1234" in failure(tmp_path, "asset;quantity\nSOL;1.234\n")
    assert "decimal comma" in failure(tmp_path, "asset;quantity\nSOL;1,5\n")


@pytest.mark.parametrize(
    ("symbol", "coin"),
    [
        ("SOLUSDT", "SOL"),
        ("sol/usdt", "SOL"),
        ("SOL/USDT:USDT", "SOL"),
        ("SOL-USD", "SOL"),
        ("BTCUSDT_251226", "BTC"),
        ("1000PEPEUSDT", "PEPE and multiply the quantity by 1000"),
    ],
)
def test_trading_pairs_name_the_coin(tmp_path: Path, symbol: str, coin: str) -> None:
    text = failure(tmp_path, f"asset,quantity\n{symbol},1\n")
    assert "row 2, column asset" in text and f"is a trading pair. Cure: write {coin}" in text


def test_every_stablecoin_is_a_coin(tmp_path: Path) -> None:
    rows = "\n".join(f"{s},1" for s in sorted(STABLECOINS))
    assert read(tmp_path, f"asset,quantity\n{rows}\n").assets == tuple(sorted(STABLECOINS))


@pytest.mark.parametrize("day", ["03.08.2024", "8/3/2024", "20240803", "2024-8-3", "2024-02-30", "yesterday"])
def test_other_dates_are_refused(tmp_path: Path, day: str) -> None:
    text = failure(tmp_path, f"asset,quantity,acquired\nSOL,1,{day}\n")
    assert "row 2, column acquired" in text and "2024-08-03" in text


def test_locks(tmp_path: Path) -> None:
    p = read(tmp_path, "asset,quantity,locked_until,locked\nSOL,1,2025-01-01,\nADA,2,,yes\nDOT,3,,no\n")
    assert [(h.locked, h.locked_until) for h in p.holdings] == [(True, date(2025, 1, 1)), (True, None), (False, None)]
    assert not p.holdings[0].sellable(date(2024, 12, 31)) and p.holdings[0].sellable(date(2025, 1, 1))
    assert "not locked, yet locked until" in failure(
        tmp_path, "asset,quantity,locked_until,locked\nA,1,2025-01-01,no\n"
    )
    assert "neither yes nor no" in failure(tmp_path, "asset,quantity,locked\nSOL,1,maybe\n")


def test_duplicates_name_both_rows(tmp_path: Path) -> None:
    text = failure(tmp_path, "asset,quantity\nSOL,1\nADA,1\nsol,2\n")
    assert "row 2 and row 4" in text and "SOL stands twice" in text and "(1 and 2)" in text
    header = "asset,quantity,acquired,unit_cost\n"
    assert "SOL stands twice" in failure(tmp_path, header + "SOL,1,2024-08-03,\nSOL,1,2024-08-03,\n")
    assert "SOL stands twice" in failure(tmp_path, header + "SOL,1,,20\nSOL,1,,20\n")


@pytest.mark.parametrize("form", ["csv", "toml", "json"])
def test_two_fills_of_one_day_at_one_price_are_two_lots(tmp_path: Path, form: str) -> None:
    path = tmp_path / "fills.csv"
    path.write_text(
        "asset,quantity,acquired,unit_cost\nSOL,1,2024-08-03,20\nSOL,1,2024-08-03,20\nSOL,2,2024-08-03,20\n"
    )
    portfolio = read_portfolio(path)
    lot = Lot(Decimal(1), date(2024, 8, 3), Decimal(20))
    assert portfolio.holdings == (Holding("SOL", Decimal(4), (lot, lot, Lot(Decimal(2), lot.acquired, lot.unit_cost))),)
    write_portfolio(portfolio, tmp_path / f"again.{form}")
    assert read_portfolio(tmp_path / f"again.{form}").holdings == portfolio.holdings


def test_a_truth_value_is_quoted_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[[holdings]]\nasset = "SOL"\nquantity = true\n')
    with pytest.raises(PortfolioError, match="'true' is not a number"):
        read_portfolio(path)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("asset,price", "unknown column 'price'"),
        ("asset,venue", "no column 'quantity'"),
        ("quantity,venue", "no column 'asset'"),
        ("asset,quantiy", "did you mean 'quantity'"),
        ("asset,quantity,wallt", "unknown column 'wallt'"),
        ("asset,quantity,amount", "both mean quantity"),
        ("SOL,5", "names no known column"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, header: str, words: str) -> None:
    assert words in failure(tmp_path, f"{header}\nSOL,1,2\n")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b" \n\r\n", "empty"),
        (b"# only a note\n", "no rows"),
        (b"asset,quantity\n", "no coins"),
        ("asset,quantity\nSOL,1\n".encode("utf-16"), "UTF-16"),
        ("asset,quantity\nSOL,1\n".encode("utf-16-le"), "UTF-16"),
        (b"PK\x03\x04\x14\x00\x06\x00", "spreadsheet"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "binary"),
        (b"asset,quantity\nSOL,\xff1\n", "row 2: byte 0xff is not UTF-8"),
        (b'asset,quantity\n"SOL,1\n', "quotation"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, raw: bytes, words: str) -> None:
    assert words in failure(tmp_path, raw)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "directory"), (tmp_path / "none.csv", "no such file"), ("a\0b", "cannot be read")):
        with pytest.raises(PortfolioError, match=words):
            read_portfolio(path)


def test_twenty_of_many_troubles_are_listed(tmp_path: Path) -> None:
    text = failure(tmp_path, "asset,quantity\n" + "".join(f"C{i},x\n" for i in range(30)))
    assert "30 problems" in text and "and 10 more" in text
    assert [f"row {i}," in text for i in (2, 21, 22)] == [True, True, False]


def test_a_hundred_thousand_rows_are_all_read(tmp_path: Path) -> None:
    lines = ["asset,quantity,acquired,unit_cost,locked_until,locked,venue"]
    lines += [f"C{i % 500},{i + 1}.5,2023-01-15,{i}.25,,,binance" for i in range(100_000)]
    (tmp_path / "big.csv").write_text("\n".join(lines))
    p = read_portfolio(tmp_path / "big.csv")
    assert len(p.holdings) == 500 and sum(len(h.lots) for h in p.holdings) == 100_000
    assert sum(p.quantities().values()) == sum(Decimal(i + 1) + Decimal("0.5") for i in range(100_000))


TOML = """
name = "mine"
currency = "USD"
[meta]
owner = "me"
[[holdings]]
asset = "sol"
venue = "binance"
lots = [{quantity = 1.5, acquired = 2023-01-15, unit_cost = 23.10}, {quantity = 2}]
[[holdings]]
asset = "SUI"
quantity = 5000
locked_until = 2025-05-01
"""


@pytest.mark.parametrize("name", ["p.toml", "p", "p.txt"])
def test_toml_by_suffix_and_by_content(tmp_path: Path, name: str) -> None:
    p = read(tmp_path, TOML, name)
    assert (p.name, p.meta) == ("mine", {"owner": "me"})
    assert p.holdings == (
        Holding(
            "SOL",
            Decimal("3.5"),
            (Lot(Decimal("1.5"), date(2023, 1, 15), Decimal("23.10")), Lot(Decimal(2))),
            venue="binance",
        ),
        Holding("SUI", Decimal(5000), locked=True, locked_until=date(2025, 5, 1)),
    )


@pytest.mark.parametrize("name", ["p.json", "p"])
def test_json_keeps_every_digit(tmp_path: Path, name: str) -> None:
    p = read(tmp_path, '{"holdings": [{"asset": "SOL", "quantity": 0.10000000000000000001}]}', name)
    assert p.quantities()["SOL"] == Decimal("0.10000000000000000001")
    assert read(tmp_path, '[{"asset": "SOL", "quantity": "2"}]', name).quantities()["SOL"] == 2


@pytest.mark.parametrize(
    ("holdings", "words"),
    [
        ([{"asset": "SOL", "quantity": 5, "lots": [{"quantity": 2}]}], "do not add up"),
        ([{"asset": "SOL", "qantity": 5}], "did you mean 'quantity'"),
        ([{"asset": "SOL", "lots": []}], "not a list of lots"),
        ([{"asset": "SOL", "lots": [{"quantity": 2, "venue": "x"}]}], "holding 1 (SOL), lot 1: unknown key 'venue'"),
        ([{"asset": "SOL", "quantity": [1]}], "holding 1, quantity"),
        ([{"asset": "SOL", "quantity": -1}], "holding 1 (SOL), column quantity"),
        ([{"asset": "SOL", "quantity": 1}, {"asset": "SOL", "quantity": 1}], "holding 1 (SOL) and holding 2 (SOL)"),
        ([3], "not a table"),
        ({}, "no list of holdings"),
    ],
)
def test_documents_that_are_refused(tmp_path: Path, holdings: object, words: str) -> None:
    assert words in failure(tmp_path, json.dumps({"holdings": holdings}), "p.json")


def test_keys_that_stand_twice_are_refused(tmp_path: Path) -> None:
    raw = '{"holdings": [{"asset": "SOL", "quantity": 1, "quantity": 2}]}'
    assert "stands twice" in failure(tmp_path, raw, "p.json")


numbers = st.decimals(min_value="1e-12", max_value="1e9", places=12, allow_nan=False, allow_infinity=False)
days = st.dates(date(2010, 1, 1), date(2040, 1, 1))
lots = st.builds(Lot, numbers, st.none() | days, st.none() | st.decimals(0, "1e6", places=4))
names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"], include_characters=" "), max_size=20).map(
    str.strip
)


@st.composite
def holdings(draw: st.DrawFn) -> Holding:
    several = draw(st.lists(lots, min_size=1, max_size=4, unique_by=lambda lot: (lot.acquired, lot.unit_cost)))
    plain = several == [Lot(several[0].quantity)]
    until = draw(st.none() | days)
    return Holding(
        draw(st.sampled_from(["SOL", "ADA", "1INCH", "USDT"])),
        sum((lot.quantity for lot in several), Decimal(0)),
        () if plain else tuple(several),
        locked=until is not None or draw(st.booleans()),
        locked_until=until,
        venue=draw(names) or None,
    )


@given(
    st.lists(holdings(), min_size=1, max_size=6, unique_by=lambda h: (h.asset, h.venue, h.locked, h.locked_until)),
    names,
    st.dictionaries(names, names, max_size=2),
    st.sampled_from(["csv", "tsv", "toml", "json"]),
)
def test_written_portfolios_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, held: list[Holding], name: str, meta: dict[str, str], form: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"round.{form}"
    portfolio = Portfolio(tuple(held), name, "USD", meta)
    write_portfolio(portfolio, path)
    back = read_portfolio(path)
    assert back.holdings == portfolio.holdings
    if form in ("toml", "json"):
        assert back == portfolio


def test_lots_that_could_not_be_told_apart_are_not_written(tmp_path: Path) -> None:
    twin = Holding("SOL", Decimal(3), (Lot(Decimal(1)), Lot(Decimal(2))))
    with pytest.raises(PortfolioError, match="differ in nothing but quantity"):
        write_portfolio(Portfolio((twin,)), tmp_path / "p.csv")
    with pytest.raises(PortfolioError, match="unknown suffix"):
        write_portfolio(Portfolio(()), tmp_path / "p.xlsx")


bits = st.sampled_from(
    [
        b"asset",
        b"quantity",
        b",",
        b";",
        b"\n",
        b"SOL",
        b"1",
        b'"',
        b"[[holdings]]",
        b"=",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"-",
    ]
)


@given(
    st.binary(max_size=200)
    | st.lists(bits, max_size=40).map(b"".join)
    | st.text(max_size=80).map(lambda t: t.encode()),
    st.sampled_from(["f.csv", "f.toml", "f.json", "f"]),
)
@example(b"[" * 100_000, "f.json")
@example(b"holdings = " + b"[" * 20_000, "f.toml")
@example(b'{"holdings": [{"asset": "SOL", "quantity": 1, "venue": "\\ud800"}]}', "f.json")
@example(b'{"holdings": [{"asset": "SOL", "quantity": NaN}]}', "f.json")
@example(b"[[holdings]]\nasset = 'SOL'\nquantity = " + b"9" * 5000, "f.toml")
@example(b'[{"asset": "SOL", "quantity": ' + b"9" * 5000 + b"}]", "f.json")
@example(b"asset,quantity\nSOL," + b"9" * 200_000, "f.csv")
def test_any_bytes_give_a_portfolio_or_a_plain_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(raw)
    try:
        portfolio = read_portfolio(path)
    except StormsailError as error:
        assert error.cure and str(error)
    else:
        assert all(h.quantity > 0 for h in portfolio.holdings)
