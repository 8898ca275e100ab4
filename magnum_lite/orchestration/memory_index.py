"""The stacks of `memory.MemoryStacks`, found without a look at all of them: by id, name, tag, nested stack.

It holds no time, no lock and no rules; who uses it keeps it up to date by `add`, `note` and `drop`.
"""

from collections.abc import Collection, Iterator, Sequence

from magnum_lite.orchestration.memory_nodes import MemoryNode, Record


class Index:
    """Stacks that are not gone. Two of a project may have one name, as Heat has no constraint on it."""

    def __init__(self) -> None:
        self._by_id: dict[str, Record] = {}
        self._by_name: dict[tuple[str, str], list[Record]] = {}
        self._by_tag: dict[str, dict[str, Record]] = {}
        self._tags: dict[str, tuple[str, ...]] = {}
        self._by_project: dict[str, dict[str, Record]] = {}
        self._busy: dict[str, Record] = {}
        self._holders: dict[str, tuple[Record, tuple[str, ...]]] = {}
        self._nested: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._by_id.values()))

    def add(self, record: Record) -> None:
        """A stack that is new, or of which another thing than its state has changed."""
        if record.id not in self._by_id:
            self._by_id[record.id] = record
            self._by_name.setdefault((record.project_id, record.name), []).append(record)
            self._by_project.setdefault(record.project_id, {})[record.id] = record
        had = self._tags.get(record.id, ())
        for tag in set(had) - set(record.tags):
            del self._by_tag[tag][record.id]
        for tag in set(record.tags) - set(had):
            self._by_tag.setdefault(tag, {})[record.id] = record
        self._tags[record.id] = record.tags
        inside = record.nested_stacks()
        for stack_id in self._nested.get(record.id, set()) - inside.keys():
            del self._holders[stack_id]
        for stack_id, path in inside.items():
            self._holders[stack_id] = (record, path)
        self._nested[record.id] = set(inside)
        self.note(record)

    def note(self, record: Record) -> None:
        """Whether something goes on in it."""
        if record.status == "IN_PROGRESS":
            self._busy[record.id] = record
        else:
            self._busy.pop(record.id, None)

    def drop(self, record: Record) -> None:
        """It is gone."""
        if self._by_id.pop(record.id, None) is None:
            return
        self._busy.pop(record.id, None)
        named = self._by_name[record.project_id, record.name]
        named.remove(record)
        if not named:
            del self._by_name[record.project_id, record.name]
        del self._by_project[record.project_id][record.id]
        for tag in self._tags.pop(record.id):
            del self._by_tag[tag][record.id]
            if not self._by_tag[tag]:
                del self._by_tag[tag]
        for stack_id in self._nested.pop(record.id):
            del self._holders[stack_id]

    def busy(self) -> list[Record]:
        """Those with an action in progress."""
        return list(self._busy.values())

    def find(self, project_id: str, ident: str) -> Record | None:
        """By id or name."""
        found = self._by_id.get(ident)
        if found is not None and found.project_id == project_id:
            return found
        named = self._by_name.get((project_id, ident))
        return named[-1] if named else None

    def holder(self, project_id: str, stack_id: str) -> tuple[Record, tuple[str, ...]] | None:
        """The stack that a nested one is in, and where: its names from the top."""
        found = self._holders.get(stack_id)
        return found if found and found[0].project_id == project_id else None

    def node(self, project_id: str, stack_id: str) -> tuple[Record, MemoryNode] | None:
        """The node whose nested stack this is."""
        found = self.holder(project_id, stack_id)
        node = found[0].node_of(stack_id) if found else None
        return (found[0], node) if found and node else None

    def tagged(self, project_ids: Collection[str] | None, tags: Sequence[str]) -> list[Record]:
        """Stacks with all of these tags, in the order in which they were made."""
        if tags:
            rarest: dict[str, Record] = min((self._by_tag.get(tag, {}) for tag in tags), key=len)
        elif project_ids is not None and len(project_ids) == 1:
            (project,) = project_ids
            rarest = self._by_project.get(project, {})
        else:
            rarest = self._by_id
        wanted = set(tags)
        return [
            record
            for record in rarest.values()
            if (project_ids is None or record.project_id in project_ids)
            and (len(tags) < 2 or wanted <= set(record.tags))
        ]

    def count(self, project_id: str) -> int:
        """Stacks of a project."""
        return len(self._by_project.get(project_id, ()))
