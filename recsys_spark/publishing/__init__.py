"""How a run becomes visible: stage, audit, publish, ledger."""
