"""Stormsail: protect a portfolio of altcoins with short futures, and keep the protection alive."""
