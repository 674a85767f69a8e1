"""Those who compute shards: processes of this machine, or a cluster that is already there."""
