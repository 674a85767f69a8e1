"""When to act: bands, ladders, rolls, and what they ask for."""

from stormsail.watch.acts import Act, Replan, SellSpot, TopUp, Trade, Warn, Withdraw
from stormsail.watch.policy import HOLD, AfterLoss, Follow, Ladder, Lost, Policy, Rebalance, Roll, Switch
from stormsail.watch.sight import AccountSight, HeldShort, Offer, Sight

__all__ = [
    "HOLD",
    "AccountSight",
    "Act",
    "AfterLoss",
    "Follow",
    "HeldShort",
    "Ladder",
    "Lost",
    "Offer",
    "Policy",
    "Rebalance",
    "Replan",
    "Roll",
    "SellSpot",
    "Sight",
    "Switch",
    "TopUp",
    "Trade",
    "Warn",
    "Withdraw",
]
