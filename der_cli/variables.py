"""The environment variables of the programs, by the names in which operators set them.

The programs themselves can't be asked (the command line does not import them); a test holds these lists to their
settings.
"""

from collections.abc import Iterable
from difflib import get_close_matches

OF_BOTH = frozenset({"ALLOW_INSECURE", "ASSETS_PATH", "LOG_FORMAT", "LOG_LEVEL", "RUST_LOG"})
OF_HEADEND = OF_BOTH | {
    "CONSOLE",
    "DATABASE_URL",
    "DB_RESET",
    "HEADEND_GRPC_ADDR",
    "HEADEND_HTTP_ADDR",
    "HISTORY_SAMPLES",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "RESET_DB",
    "RETENTION_DAYS",
    "ROLLUP_RETENTION_DAYS",
    "SPLIT_WEIGHTING",
}
OF_AGENT = OF_BOTH | {
    "ASSET_ID",
    "ASSET_LOCATION",
    "ASSET_NAME",
    "ASSET_TYPE",
    "CAPACITY_MWHR",
    "EFFICIENCY",
    "FAILSAFE_AFTER_S",
    "FAILSAFE_MW",
    "GATEWAY_ID",
    "GATEWAY_SITE_ID",
    "HEADEND_GRPC",
    "HEARTBEAT_S",
    "MAX_MW",
    "MAX_SOC_PCT",
    "METRICS_ADDR",
    "MIN_MW",
    "MIN_SOC_PCT",
    "RAMP_RATE_MW_PER_MIN",
    "SIM_FAULTS_PER_HOUR",
    "SIM_SEED",
    "SITE_ID",
    "SITE_NAME",
    "SPOOL_MAX_BYTES",
    "SPOOL_PATH",
    "TICK_S",
}
OF_DER = frozenset({"DER_TRACEBACK", "HEADEND"})
OURS = OF_HEADEND | OF_AGENT | OF_DER

_ALIKE = 0.85


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """Names that are none of ours but look much like one, each with that one."""
    near = {name: get_close_matches(name, OURS, n=1, cutoff=_ALIKE) for name in names if name not in OURS}
    return {name: found[0] for name, found in near.items() if found}
