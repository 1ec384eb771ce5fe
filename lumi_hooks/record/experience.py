# SPDX-License-Identifier: GPL-2.0-only
"""What earlier installations took, by their records: time and room for the next one."""
import os
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..errors import DataError
from ..versions import version_key
from . import installations, read_record, software_folders


@dataclass(frozen=True)
class Estimate:
    """
    What an installation will take, going by an earlier one: `seconds`, `bytes` and `inodes` (None: not known), and
    `basis`, the module whose record says so.
    """
    seconds: Optional[float]
    bytes: Optional[int]
    inodes: Optional[int]
    basis: str

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return asdict(self)


class Experience:
    """
    What earlier installations took.

    :param prefixes: where to look for their records; of two for the same module the first one's counts
    """

    def __init__(self, prefixes: Sequence[str]):
        self._folders = [folder for prefix in prefixes if prefix for folder in software_folders(prefix)]
        self._known: Dict[str, List[Dict[str, Any]]] = {}

    def estimate(self, module: str) -> Optional[Estimate]:
        """
        From the record of that very module, else of the nearest version of the same software: the same version for
        another toolchain, then the newest. None where there is no record.
        """
        name, _, version = module.partition('/')
        records = self._records(name)
        if not records:
            return None
        plain = version.split('-', 1)[0]

        def rank(record: Dict[str, Any]) -> Tuple:
            return (record['module'] == module, record['version'] == plain, version_key(record['version']))

        best = max(records, key=rank)
        seconds = best['times'].get('seconds')
        return Estimate(seconds if isinstance(seconds, (int, float)) else None, best['size']['bytes'],
                        best['size']['inodes'], best['module'])

    def _records(self, name: str) -> List[Dict[str, Any]]:
        if name not in self._known:
            found: List[Dict[str, Any]] = []
            for folder in self._folders if name and os.sep not in name and not name.startswith('.') else ():
                for path in installations(folder, name):
                    try:
                        record = read_record(path)
                    except DataError:
                        continue  # what can't be read says nothing
                    if record:
                        found.append(record)
            self._known[name] = found
        return self._known[name]
