"""Market data as Parquet on disk, one file per series."""
