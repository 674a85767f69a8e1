"""Put one fault after the other into the contracts and see whether the tests notice; prints the survivors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build_contracts import compiled

from stormsail.protocol.artifacts import source

ROOT = Path(__file__).resolve().parents[1]
# The long random run comes last: most faults are noticed before it.
NAMES = ("band", "factory", "hostile_coin", "oracle", "strangers", "token", "agreement")
TESTS = [f"tests/protocol/test_{name}.py" for name in NAMES]
FAULTS: dict[str, tuple[tuple[str, str], ...]] = {
    "PairToken": (
        ('    assert msg.sender == CORE, "only core"\n    assert to', "    assert to"),
        ('    assert msg.sender == CORE, "only core"\n    assert self', "    assert self"),
        ('        assert allowed >= amount, "allowance"\n', ""),
        ("allowed - amount)", "allowed)"),
        ("if allowed != max_value(uint256):", "if True:"),
        ('    assert convert(s, uint256) <= HALF_ORDER, "signature"\n', ""),
        ("signer != empty(address) and signer == owner", "signer == owner"),
        ('    assert block.timestamp <= deadline, "deadline"\n', ""),
        ("    self.nonces[owner] = nonce + 1\n", ""),
        ("keccak256(VERSION), chain.id, self", "keccak256(VERSION), chain.id + 4, self"),
    ),
    "BandFuture": (
        ("(amount * PAIR + WAD - 1) // WAD", "amount * PAIR // WAD"),
        ("paid: uint256 = amount * PAIR // WAD", "paid: uint256 = (amount * PAIR + WAD - 1) // WAD"),
        ("return worth * UNIT // (WAD * WAD)", "return (worth * UNIT + WAD * WAD - 1) // (WAD * WAD)"),
        ('    extcall Token(SHORT).burn(msg.sender, amount)\n    log Redeemed', "    log Redeemed"),
        ("        extcall Token(LONG).burn(msg.sender, long_amount)\n", "        pass\n"),
        ("self.final_price - LOWER", "UPPER - self.final_price"),
        ("    self.backing -= amount\n", ""),
        ("== before + cost", ">= before + cost"),
        ("== before + cost", "<= before + cost"),
        ("transfer(to, amount, default_return_value=True)", "transfer(to, amount, default_return_value=False)"),
        ("@nonreentrant\ndef redeem", "def redeem"),
        ("@nonreentrant\ndef claim", "def claim"),
        ("@nonreentrant\ndef mint(", "def mint("),
        ("    self._checkpoint()\n    before", "    before"),
        ('    assert block.timestamp < EXPIRY, "expired"\n', ""),
        ('    assert cost <= max_cost, "above maximum"\n', ""),
        ('    assert paid >= min_paid, "below minimum"\n', ""),
        ('    assert not self.settled, "settled"\n    self._settle()', "    self._settle()"),
        ('    assert not self.settled, "settled"\n    self._checkpoint()', "    self._checkpoint()"),
        ("self.price_at + HOLD)", "self.price_at + WINDOW)"),
        ("EXPIRY - WINDOW)\n    end", "EXPIRY - GRACE)\n    end"),
        ("covered < NEED, \"closed\"", "True, \"closed\""),
        ("block.timestamp < EXPIRY + GRACE and covered", "covered"),
        ("late = min(late, NEED - min(NEED, covered + inside))", "pass"),
        ("NEED - min(NEED, covered + inside)", "NEED - min(NEED, covered)"),
        ("if covered >= NEED:", "if covered > NEED:"),
        ('        assert block.timestamp >= EXPIRY + GRACE, "window open"\n', ""),
        ("max(LOWER, min(price, UPPER))", "price"),
        (" and price <= MAX_PRICE", ""),
        ("flags == 0 and price", "price"),
        ("price = total // covered\n            source = PARTIAL_AVERAGE", "source = PARTIAL_AVERAGE"),
        (" + amount <= MAX_SUPPLY", " <= MAX_SUPPLY"),
    ),
    "OracleAdapter": (
        ("answer == 0 or ", ""),
        (" or answer > LARGEST", ""),
        (" or self._decimals(feed) != decimals", ""),
        ("not ok or len(data) != 160:\n        return False, 0, 0", "not ok:\n        return False, 0, 0"),
        ("block.timestamp - updated > heartbeat", "block.timestamp - updated >= heartbeat"),
        ("if updated > block.timestamp:", "if updated > block.timestamp + 60:"),
        ("price <= rules.lowest or", "price < rules.lowest or"),
        ("price >= rules.highest", "price > rules.highest"),
        ("flags_a | (flags_b << 4)", "flags_a"),
        ("> rules.deviation * min(a, b)", "> rules.deviation * max(a, b)"),
        ("answer // 10 ** (decimals - 18)", "answer // 10 ** (decimals - 17)"),
        ("if flags == 0 and not self._near(price, self.price, RULES.jump):", "if False:"),
        ("    self.doubt_count = 0\n", ""),
        ("elif block.timestamp >= self.doubt_at + spacing:", "else:"),
        (" or block.timestamp > self.doubt_at + 4 * spacing", ""),
        ("return min(self._updated(FEED_A), self._updated(FEED_B)) > self.doubt_from", "return True"),
        ("self._updated(FEED_A), self._updated(FEED_B)", "self._updated(FEED_A), self._updated(FEED_A)"),
        (" or block.timestamp < self.doubt_from + RULES.release_time", ""),
        ("if block.timestamp < self.halted_until:\n", "if False:\n"),
        ("min(self.halted_until, block.timestamp + RULES.resume_delay)", "block.timestamp + RULES.resume_delay"),
        ("block.timestamp >= self.halted_until + RULES.cooldown", "block.timestamp >= self.halted_until"),
        ('    assert block.timestamp >= self.named_from, "too early"\n', ""),
        ('    assert self._near(price, reference, rules.jump), "reference"\n', ""),
        ("feed_a != feed_b and ", ""),
        ("block.timestamp - started >= grace", "True"),
        ("!= 160 or extract32(data, 32, output_type=uint256) != 0", "!= 160"),
    ),
    "SeriesFactory": (
        (" and block.timestamp >= market.ready_at", ""),
        ('    assert self.by_terms[terms] == empty(address), "exists"\n', ""),
        ('    assert flags == 0, "price refused"\n', ""),
        ("lower <= price * 9 // 10", "lower < price"),
        (" and upper <= price * 10", ""),
        ("rules.halt_max + 2 * window", "rules.halt_max"),
        ("rules.cooldown >= 2 * window", "True"),
        ("expiry <= block.timestamp + LONGEST", "True"),
        ("    self.number_of[future] = number\n", ""),
        ("= empty(Market)", "= self.markets[oracle][collateral]"),
    ),
}  # fmt: skip


def noticed(name: str, text: str) -> bool:
    """Whether the tests fail on a contract with this source."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "src" / "stormsail"
        shutil.copytree(ROOT / "src" / "stormsail", package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / "protocol" / "contracts" / f"{name}.vy").write_text(text, encoding="utf-8")
        made = compiled(name, text).as_json()
        (package / "protocol" / "artifacts" / f"{name}.json").write_text(made, encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(package.parent)},
            capture_output=True,
            check=False,
        )
        if ended.returncode not in (0, 1):
            raise SystemExit(ended.stdout.decode()[-2000:])
        return ended.returncode == 1


def main() -> int:
    """Try every fault; the exit code is the number of survivors."""
    if noticed("PairToken", source("PairToken")):
        raise SystemExit("the tests fail without any fault")
    survivors = tried = 0
    for name, faults in FAULTS.items():
        for old, new in faults:
            text = source(name)
            if text.count(old) < 1:
                raise SystemExit(f"{name}: no such line: {old!r}")
            tried += 1
            if not noticed(name, text.replace(old, new, 1)):
                survivors += 1
                print(f"survived  {name}: {old.strip()!r} -> {new.strip()!r}", flush=True)
    print(f"{tried - survivors} of {tried} faults noticed")
    return survivors


if __name__ == "__main__":
    sys.exit(main())
