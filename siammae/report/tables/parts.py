"""Cuts a table whose rows stand in groups into one table for each group."""

from dataclasses import replace

from siammae.report.tables.statistics_table import Table


def parts(table: Table) -> list[tuple[str, Table]]:
    """Return each group's heading and table; a table without groups is returned with no heading.

    A part opens with the default row, which all are compared with; the rows of its group follow,
    then what stands in every part: rows without a group, and controls. Corrections for many
    comparisons count those of all parts.
    """
    if not table.groups:
        return [("", table)]
    found = []
    for group in table.groups:
        rows = table.rows
        own = rows["group"].eq(group)
        everywhere = rows["group"].eq("") & ~rows["default"]
        order = [*rows.index[rows["default"]], *rows.index[own], *rows.index[everywhere]]
        found.append((group, replace(table, rows=rows.loc[order], groups=[])))
    return found
