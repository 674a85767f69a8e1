"""The bundled sample: real market data in the layout of a store, and a portfolio to go with it.

``PROVENANCE.md`` beside the data says where every series comes from; ``scripts/build_sample.py`` builds it.
"""

from pathlib import Path


def sample_path() -> Path:
    """Folder of the bundled sample; open it as a store.

    >>> sorted(path.name for path in sample_path().glob("*.csv"))
    ['portfolio.csv']
    """
    return Path(__file__).parent
