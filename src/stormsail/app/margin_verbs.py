"""The verb ``stormsail margin``: whether collateral survives, of a plan file, a portfolio, or one position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormsail.app.console import out, print_json, steps
from stormsail.core import Contract, InputError, Payoff, PlanFileError, Tenor, exact, suggest
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.core.plain import to_plain

if TYPE_CHECKING:
    from stormsail.app.api import Workbench
    from stormsail.app.request import Request
    from stormsail.lab.standing import Question, Standing
    from stormsail.plan.terms import Terms
    from stormsail.plan.types import HedgePlan, PositionMargin, VenueMargin


@dataclass(frozen=True, slots=True)
class Single:
    """One position as options say it; texts as given.

    Attributes:
        contract: Symbol.
        quantity, entry, collateral, mark: Amounts.
        venue: Venue key.
    """

    contract: str
    quantity: str | None
    entry: str | None
    collateral: str | None
    mark: str | None
    venue: str | None


def margin(request: Request, *, single: Single | None, move: str | None, add: str | None, isolated: bool) -> None:
    """Explain every account of a plan or portfolio, or one position, and print it."""
    from stormsail.instruments.universe import day_of
    from stormsail.lab.standing import stand

    step = None if move is None else parse_move(move)
    more = None if add is None else _positive(add, "--add")
    if single is not None:
        moment, questions = _single(request, single)
    elif request.file is not None and request.file.suffix == ".json" and is_plan(request.file):
        moment, questions = _of_file(request)
    else:
        moment, questions = _of_portfolio(request, isolated=isolated)
    day = day_of(moment)
    told = tuple(stand(question, day, move=step, added=more) for question in questions)
    seen = tuple(dict.fromkeys(f for each in told for f in each.findings))
    if request.as_json:
        print_json({"as_of": to_plain(moment), "accounts": [_plain(each) for each in told], "findings": to_plain(seen)})
        return
    from stormsail.report.text_standing import print_standing

    print_standing(out(), told, seen, moment)


def parse_move(text: str) -> Decimal:
    """A move of prices, exactly.

    Raises:
        InputError: If it is no move, or one that leaves no price.

    >>> parse_move("+50%"), parse_move("-0.3")
    (Decimal('0.5'), Decimal('-0.3'))
    """
    body = text.strip()
    share = body.endswith("%")
    try:
        number = exact(body.removesuffix("%").strip().removeprefix("+"))
    except ValueError as error:
        raise InputError(f"{text!r} is not a move", cure="write +50% or -30%", where="--move") from error
    if not share and abs(number) > 1:
        raise InputError(
            f"{text!r} may mean a share or a percentage", cure=f"write {body}% if you mean so", where="--move"
        )
    with localcontext(MONEY_CONTEXT):
        move = (number / 100 if share else number).normalize()
    if move <= -1:
        raise InputError(f"a move of {text} leaves no price", cure="give one above -100%", where="--move")
    return move


def _positive(text: str, where: str) -> Decimal:
    number = _number(text, where)
    if number <= 0:
        raise InputError(f"{text} is not above 0", cure="give a positive number", where=where)
    return number


def _number(text: str, where: str) -> Decimal:
    try:
        return exact(text.replace("_", ""))
    except ValueError as error:
        raise InputError(str(error), cure="write a number such as 8500 or -1.5", where=where) from error


def _plain(each: Standing) -> dict[str, Any]:
    """One account as plain data; brackets are told by their day and source."""
    told = each.explained
    return {
        "name": each.question.name,
        "venue": each.question.venue,
        "mode": each.question.mode.value,
        "collateral": {"asset": each.question.asset, "amount": to_plain(each.question.collateral)},
        "equity": to_plain(told.equity),
        "requirement": to_plain(told.requirement),
        "ratio": to_plain(told.ratio),
        "liquidation_factor": {"up": _maybe(told.up), "down": _maybe(told.down)},
        "after_move": None if each.moved is None else {**_dict(each.moved), "up": _maybe(each.moved.up)},
        "after_top_up": {**_dict(each.added), "up": _maybe(each.added.up)},
        "positions": [
            {
                "contract": p.position.contract.id,
                "quantity": to_plain(p.position.quantity),
                "entry": to_plain(p.position.entry),
                "mark": to_plain(p.position.mark),
                "notional": to_plain(p.position.notional),
                "requirement": to_plain(p.position.requirement),
                "bracket": p.tier + 1,
                "liquidation": _maybe(p.liquidation),
                "bankruptcy": _maybe(p.bankruptcy),
                "bracket_at_liquidation": _maybe(p.liquidation_tier, plus=1),
                "distance": _maybe(p.distance),
                "deleveraging_score": to_plain(p.adl),
                "brackets": {
                    "effective_from": to_plain(p.position.table.effective_from),
                    "source": p.position.table.source,
                    "assumed": p.position.table.assumed,
                },
            }
            for p in told.positions
        ],
        "rule": to_plain(told.rule),
        "closing": to_plain(told.closing),
        "deleveraging": to_plain(told.deleveraging),
        "promise": to_plain(each.question.requirement),
    }


def _dict(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(value)
    return plain


def _maybe(value: Any, *, plus: int = 0) -> Any:
    from stormsail.margin.types import Unliquidatable

    return {"never": value.reason} if isinstance(value, Unliquidatable) else to_plain(value + plus if plus else value)


# --- a portfolio ---------------------------------------------------------------------------------------------------

Found = tuple[datetime, tuple["Question", ...]]


def _of_portfolio(request: Request, *, isolated: bool) -> Found:
    """The accounts of the plan that is made for a portfolio."""
    from stormsail.margin.types import MarginMode

    bench = request.workbench()
    with steps("planning", quiet=request.as_json) as step:
        plan = bench.plan(
            request.portfolio(),
            request.tolerance(),
            progress=step,
            mode=MarginMode.ISOLATED if isolated else MarginMode.CROSS,
        )
    return plan.as_of, questions_of(plan)


def questions_of(plan: HedgePlan) -> tuple[Question, ...]:
    """What to ask of each account of a plan."""
    orders = {order.contract.id: (order.contract, order.quantity, order.price) for order in plan.orders}
    return tuple(question for margin in plan.margins for question in _account(margin, orders))


def _account(margin: VenueMargin, orders: Mapping[str, tuple[Contract, Decimal, Decimal]]) -> list[Question]:
    from stormsail.lab.standing import Held, Question
    from stormsail.margin.types import MarginMode

    def held(position: PositionMargin) -> Held:
        contract, quantity, price = orders[position.contract]
        return Held(contract, -quantity, price, price, position.table)

    if margin.mode is MarginMode.CROSS:
        rows = tuple(held(p) for p in margin.positions)
        asset = rows[0].contract.quote
        return [
            Question(margin.venue, margin.venue, margin.mode, asset, margin.collateral, Decimal(1), rows,
                     margin.requirement)
        ]  # fmt: skip
    found = []
    for position in margin.positions:
        row, coins = held(position), position.coins
        asset, amount, price = (
            (row.contract.quote, position.collateral, Decimal(1))
            if coins is None
            else (coins.asset, coins.quantity, coins.price)
        )
        found.append(
            Question(position.contract, margin.venue, MarginMode.ISOLATED, asset, amount, price, (row,),
                     position.requirement)
        )  # fmt: skip
    return found


# --- a plan file ---------------------------------------------------------------------------------------------------


def is_plan(path: Path) -> bool:
    """Whether a JSON file says it is a plan; a portfolio may be JSON too."""
    from stormsail.adapters.files.plan_file import KIND

    try:
        return KIND in path.read_text(encoding="utf-8")[:200]
    except (OSError, UnicodeDecodeError):
        return False


def _of_file(request: Request) -> Found:
    """The accounts of a plan file; brackets are read from the market data as of the plan's moment."""
    from stormsail.adapters.files.plan_file import read_plan
    from stormsail.app.api import Workbench, parse_as_of

    content = read_plan(str(request.file)).content
    moment = parse_as_of(content["inputs"]["as_of"].replace("Z", "+00:00"))
    contracts = {f"{o['contract']['venue']}:{o['contract']['symbol']}": o for o in content["orders"]}
    made = {cid: _contract(order["contract"], cid) for cid, order in contracts.items()}
    try:
        bench = Workbench.open(request.data, moment)
        known = _terms(bench, tuple(made.values()))
    except InputError:  # data that begins after the plan knows no brackets of then
        known = {}
    questions = []
    for account in content["accounts"]:
        questions += _from_account(account, contracts, made, known, moment)
    return moment, tuple(questions)


def _contract(data: Mapping[str, Any], where: str) -> Contract:
    try:
        numbers = {n: exact(data[n]) for n in ("size", "lot", "tick", "min_notional", "maker_fee", "taker_fee")}
        expiry = data.get("expiry")
        return Contract(
            venue=data["venue"], symbol=data["symbol"], base=data["base"], quote=data["quote"],
            tenor=Tenor(data["tenor"]), payoff=Payoff(data["payoff"]), origin=data.get("origin", ""),
            expiry=None if expiry is None else datetime.fromisoformat(expiry.replace("Z", "+00:00")), **numbers,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise PlanFileError(f"an order cannot be read: {error}", cure="make the plan again", where=where) from error


def _from_account(
    account: Mapping[str, Any], orders: Mapping[str, Any], made: Mapping[str, Contract],
    known: Mapping[str, Terms], moment: datetime,
) -> list[Question]:  # fmt: skip
    from stormsail.instruments.universe import day_of
    from stormsail.lab.standing import Held, Question
    from stormsail.margin.tiers import assumed_table
    from stormsail.margin.types import MarginMode

    held, posted = [], []
    for row in account["positions"]:
        cid = row["contract"]
        price = exact(orders[cid]["price"])
        table = known[cid].table if cid in known else assumed_table(made[cid], day_of(moment))
        held.append(Held(made[cid], -exact(orders[cid]["quantity"]), price, price, table))
        coins = row["coins"]
        posted.append(
            (made[cid].quote, exact(row["collateral"]), Decimal(1), row["requirement"])
            if coins is None
            else (coins["asset"], exact(coins["quantity"]), exact(coins["price"]), row["requirement"])
        )
    venue, mode = account["venue"], MarginMode(account["mode"])
    if mode is MarginMode.CROSS:
        asked = _requirement(account["requirement"])
        return [
            Question(venue, venue, mode, held[0].contract.quote, exact(account["collateral"]), Decimal(1), tuple(held),
                     asked)
        ]  # fmt: skip
    return [
        Question(row.contract.id, venue, mode, asset, amount, price, (row,), _requirement(asked))
        for row, (asset, amount, price, asked) in zip(held, posted, strict=True)
    ]


def _requirement(data: Mapping[str, Any]) -> Any:
    from stormsail.margin.types import CollateralRequirement, UpMove

    return CollateralRequirement(
        subject=data["subject"], move=data["move"], decided_by=data["decided_by"],
        methods=tuple(UpMove(m["method"], float(m["move"]), m["detail"], m["n"], m["asked"]) for m in data["methods"]),
        maintenance_rate=data["maintenance_rate"], rate=data["rate"], extras=data["extras"],
        chance=tuple((name, float("nan") if chance is None else chance) for name, chance in data["chance"]),
    )  # fmt: skip


def _terms(bench: Workbench, contracts: Sequence[Contract]) -> dict[str, Terms]:
    """Price and brackets of contracts that have a price, by contract id."""
    from datetime import timedelta

    from stormsail.instruments.universe import day_of
    from stormsail.market.lookup import Lookup
    from stormsail.plan.terms import contract_terms

    view = bench.view
    lookup, horizon = Lookup.of(view), timedelta(days=30)
    return contract_terms(view, lookup, contracts, bench.venues, {}, horizon, day_of(bench.as_of))[0]


# --- one position --------------------------------------------------------------------------------------------------


def _single(request: Request, asked: Single) -> Found:
    """One position that is given by options, isolated, at the venue's rule of the day."""
    from stormsail.lab.standing import Held, Question
    from stormsail.margin.types import MarginMode

    if asked.quantity is None or asked.collateral is None:
        raise InputError(
            "--contract needs --quantity and --collateral", cure="give both; a short is negative", where="--contract"
        )
    quantity, collateral = _number(asked.quantity, "--quantity"), _positive(asked.collateral, "--collateral")
    bench = request.workbench()
    contract = _named(bench, asked)
    known = _terms(bench, (contract,))
    if contract.id not in known:
        raise InputError("no price of it is known then", cure="choose another date", where=contract.id)
    terms = known[contract.id]
    mark = terms.price if asked.mark is None else _positive(asked.mark, "--mark")
    entry = mark if asked.entry is None else _positive(asked.entry, "--entry")
    inverse = contract.payoff is Payoff.INVERSE
    question = Question(
        contract.id, contract.venue, MarginMode.ISOLATED, contract.base if inverse else contract.quote, collateral,
        mark if inverse else Decimal(1), (Held(contract, quantity, entry, mark, terms.table),),
    )  # fmt: skip
    return bench.as_of, (question,)


def _named(bench: Workbench, asked: Single) -> Contract:
    """The contract of that symbol.

    Raises:
        InputError: If there is none, or several venues have it.
    """
    from stormsail.instruments.universe import universe
    from stormsail.market.lookup import Lookup

    wanted = asked.contract.upper()
    known = universe(bench.view, bench.venues, (), Lookup.of(bench.view))
    names = [c for c in known if c.symbol.upper() == wanted and asked.venue in (None, c.venue)]
    if not names:
        where = "" if asked.venue is None else f" of {asked.venue}"
        raise InputError(
            f"no contract {asked.contract!r}{where} in this market data on {bench.as_of:%Y-%m-%d}",
            cure=suggest(wanted, sorted({c.symbol for c in known})), where="--contract",
        )  # fmt: skip
    if len(names) > 1:
        raise InputError(
            f"{asked.contract} trades at {', '.join(c.venue for c in names)}", cure="name one with --venue",
            where="--contract",
        )  # fmt: skip
    return names[0]
