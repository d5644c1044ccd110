"""What changes of the groups of tasks that cannot be placed, as rows."""

from __future__ import annotations

from collections.abc import Container

from services.domain.ledger import Ledger
from services.domain.stuck_group import StuckKey
from services.store import rows, statements


def stuck_rows(ledger: Ledger, known: Container[StuckKey]) -> dict[statements.Write, list[rows.Row]]:
    """The rows of what the flush changed, of which these were there. One that can be placed goes.

    It goes behind the look at its version.
    """
    changed = [ledger.stuck[key] for key in sorted(ledger.changed_stuck)]
    before = [group for group in changed if group.key in known]
    return {
        statements.CREATE_STUCK: [rows.created_stuck(g) for g in changed if g.reason and g.key not in known],
        statements.CHANGE_STUCK: [rows.changed_stuck(group) for group in before],
        statements.FORGET_STUCK: [group.key for group in before if not group.reason],
    }
