"""Compiled loop of joint paths: coins that share factors, accounts of shorts, and what is left at the end.

Single precision, one operation after another, as :mod:`stormsail.lab._path_kernels` explains.
"""

import numba as nb
import numpy as np

from stormsail.lab._path_kernels import SHOCKS, F, Floats, I, Ints, Words, exp, fill, normals, students

LANES = 256


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _shocks(words: Words, at: int, tail: Floats, z: Floats, spare: Floats) -> None:
    """Unit-variance shocks; ``tail`` holds 2 / nu, sqrt(nu - 2) and nu - 2, or a 0 first for normal ones."""
    if tail[0] > F(0.0):
        students(words[at], words[at + 1], tail[0], tail[1], tail[2], z, spare)
    else:
        normals(words[at], words[at + 1], z)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _mark(price: Floats, notional: np.float32, rates: Floats, cuts: Floats, balance: Floats, needed: Floats) -> None:
    """Add one short's profit to the balance and its maintenance, ``max_n (rate_n S - cut_n)``, to what is needed."""
    for i in range(price.shape[0]):
        balance[i] = balance[i] + notional * (F(1.0) - price[i])
    for i in range(price.shape[0]):
        most = F(0.0)
        for n in range(rates.shape[0]):
            line = rates[n] * price[i] - cuts[n]
            most = line if line > most else most
        needed[i] = needed[i] + notional * most


@nb.njit(cache=True, nogil=True, error_model="numpy")
def walk_together(
    first: int,
    steps: int,
    seed: np.uint64,
    stream: int,
    loadings: Floats,
    residual: Floats,
    factor_tail: Floats,
    residual_tail: Floats,
    values: Floats,
    cash: np.float32,
    collateral: Floats,
    owner: Ints,
    coin: Ints,
    notional: Floats,
    funding: Floats,
    rates: Floats,
    cuts: Floats,
    ends: Floats,
    dead: Ints,
) -> None:
    """Walk all coins together and keep the accounts.

    Out, one column per path: in ``ends`` the value at the end without and with the hedge, and the lowest of both at any
    step's end; in ``dead`` the step at which each account was liquidated, or 0. The columns must be a whole number of
    ``LANES``.
    """
    coins, factors = loadings.shape
    accounts = collateral.shape[0]
    words = np.empty((factors + coins, 4, LANES), np.uint32)
    z = np.empty((factors, LANES), F)
    own = np.empty(LANES, F)
    spare = np.empty(LANES, F)
    x = np.empty((coins, LANES), F)
    price = np.empty((coins, LANES), F)
    paid = np.empty((accounts, LANES), F)
    balance = np.empty((accounts, LANES), F)
    needed = np.empty((accounts, LANES), F)
    for block in range(0, ends.shape[1], LANES):
        here = slice(block, block + LANES)
        end, gone = ends[:, here], dead[:, here]
        x[:] = F(0.0)
        paid[:] = F(0.0)
        gone[:] = I(0)
        end[:] = F(1e30)
        for t in range(steps):
            at = 2 * (t % 2)
            if at == 0:
                for j in range(factors + coins):
                    fill(words[j], first + block, (t // 2) * (factors + coins) + j, stream, SHOCKS, seed, 10)
            for k in range(factors):
                _shocks(words[k], at, factor_tail, z[k], spare)
            for c in range(coins):
                _shocks(words[factors + c], at, residual_tail, own, spare)
                for i in range(LANES):
                    x[c, i] = x[c, i] + residual[c] * own[i]
                for k in range(factors):
                    for i in range(LANES):
                        x[c, i] = x[c, i] + loadings[c, k] * z[k, i]
                for i in range(LANES):
                    price[c, i] = exp(x[c, i])
            for p in range(owner.shape[0]):
                for i in range(LANES):
                    paid[owner[p], i] = paid[owner[p], i] + funding[p] * notional[p] * price[coin[p], i]
            for a in range(accounts):
                for i in range(LANES):
                    balance[a, i] = collateral[a] + paid[a, i]
                    needed[a, i] = F(0.0)
            for p in range(owner.shape[0]):
                _mark(price[coin[p]], notional[p], rates[p], cuts[p], balance[owner[p]], needed[owner[p]])
            for i in range(LANES):
                own[i] = cash
            for c in range(coins):
                for i in range(LANES):
                    own[i] = own[i] + values[c] * price[c, i]
            for i in range(LANES):
                end[0, i] = own[i]
                end[2, i] = own[i] if own[i] < end[2, i] else end[2, i]
            for a in range(accounts):
                for i in range(LANES):
                    fails = (balance[a, i] <= needed[a, i]) & (gone[a, i] == I(0))
                    gone[a, i] = I(t + 1) if fails else gone[a, i]
                    left = balance[a, i] - collateral[a]
                    own[i] = own[i] + (left if gone[a, i] == I(0) else -collateral[a])
            for i in range(LANES):
                end[1, i] = own[i]
                end[3, i] = own[i] if own[i] < end[3, i] else end[3, i]
