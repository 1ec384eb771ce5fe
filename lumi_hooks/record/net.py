# SPDX-License-Identifier: GPL-2.0-only
"""What the changes of a record come to: of changes that follow each other, the first state and the last."""
from typing import Any, Dict, List, Mapping, Sequence


def net_changes(changes: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """
    The changes, where one takes up what another left: A to B and B to C are A to C, and A to B to A is none.

    The reasons of both are given, and the rule of the last.

    :param changes: as in a record, in their order
    """
    found: List[Dict[str, Any]] = []
    for change in changes:
        before = change.get('before')
        earlier = next((one for one in reversed(found) if one['parameter'] == change['parameter']
                        and before is not None and one.get('after') == before), None)
        if earlier is None:
            found.append(dict(change))
        elif earlier.get('before') == change.get('after'):
            found.remove(earlier)
        else:
            earlier.update(after=change.get('after'), rule=change['rule'],
                           reason=f'{earlier["reason"]}; {change["reason"]}')
    return found
