"""What a flush writes of schedules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from services.domain.cron_schedule import ScheduleKey
from services.domain.schedule_ledger import ScheduleLedger
from services.store import rows, statements


def schedule_rows(
    ledger: ScheduleLedger, versions: Mapping[ScheduleKey, int]
) -> dict[statements.Write, list[rows.Row]]:
    """The schedules that are new, were put, have fired, or go. `versions` are those that were read, 0 for "none"."""
    written: dict[statements.Write, list[rows.Row]] = defaultdict(list)
    for key in ledger.changed:
        schedule, document = ledger.rows[key], ledger.documents.get(key)
        if schedule is None:
            if versions[key]:
                written[statements.DELETE_SCHEDULES].append(key)
        elif document is None:
            written[statements.FIRE_SCHEDULES].append(rows.fired_schedule(schedule))
        else:
            write = statements.CHANGE_SCHEDULES if versions[key] else statements.CREATE_SCHEDULES
            written[write].append(rows.schedule(schedule, document))
    return dict(written)
