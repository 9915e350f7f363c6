"""What the reasons of dispatches and splits mean, in an operator's words. The codes are of docs/explain/dispatch.md."""

_MEANINGS = {
    "ttl_over": "its agent did not connect in time; see why it is away",
    "no_answer_within_ttl": "sent, but no answer came; it may have been applied: look at the asset",
    "link_lost": "the link was lost before an answer came; it waits again",
    "headend_restarted": "the headend restarted; the agent will say whether it has it",
    "agent_offline": "no agent serves this asset; start its agent",
    "asset_offline": "the agent is there, the asset does not answer; look at the asset",
    "agent_busy": "the link to the agent is full; wait and try again",
    "agent_replaced": "it was sent to an agent that no longer serves the asset; look at the asset",
    "agent_gone_outcome_unknown": "its agent did not come back to say what became of it; look at the asset",
    "agent_restarted": "the agent does not remember it; send a new one",
    "adopted_from_agent": "only the agent knew of it",
    "superseded_by": "a newer dispatch took its place",
    "unknown_asset": "the agent does not serve this asset; compare the inventories",
    "not_controllable": "a meter only measures; choose another target",
    "invalid": "it made no sense to the agent; report it",
    "expired_on_arrival": "its time was over when it reached the agent; send a new one",
    "soc_at_minimum": "at its lowest SOC, cannot discharge; charge it first",
    "soc_at_maximum": "at its highest SOC, cannot charge; discharge it first",
    "available_power": "sun or wind give no more",
    "driver_error": "the asset refused the setpoint, or its link broke; look at the agent's log",
    "driver_timeout": "the asset did not answer in time and may have taken it; look at the asset",
    "link_lost_failsafe": "the link was lost for too long, the asset went to its fail-safe; send a new one",
    "agent_stopped": "the agent was stopped; start it and send a new one",
}


def meaning(reason: str | None) -> str:
    """A reason in words; one that is not known, such as a person's own words, as it is; empty if there is none."""
    if reason is None:
        return ""
    code, _, _ = reason.partition(" ")
    return _MEANINGS.get(code, reason)
