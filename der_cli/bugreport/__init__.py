"""``der bugreport``: the runbook's escalation checklist in one archive, without secrets.

``contents`` gathers and masks, ``excerpts`` chooses the lines of logs, ``archive`` packs. Everything passes
through one ``Mask`` first.
"""
