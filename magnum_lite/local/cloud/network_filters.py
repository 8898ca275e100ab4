"""The filters of the Networking API's lists."""

from typing import Any

from magnum_lite.local.cloud.call import Call

_NO_FILTER = {"fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"}


def wanted(call: Call, item: dict[str, Any]) -> bool:
    """Neutron's filters: values of one name are alternatives, names must all match."""
    for name in dict.fromkeys(call.request.GET):
        if name in _NO_FILTER:
            continue
        values = [str(value) for value in call.request.GET.getall(name)]
        if name in {"tags", "tags-any"}:
            asked = {tag for value in values for tag in value.split(",")}
            if not (asked <= set(item["tags"]) if name == "tags" else asked & set(item["tags"])):
                return False
        elif not any(_matches(item, name, value) for value in values):
            return False
    return True


def _matches(item: dict[str, Any], name: str, value: str) -> bool:
    if name == "fixed_ips":
        key, _, asked = value.partition("=")
        return any(asked in fixed.get(key, "") if key == "ip_address_substr" else fixed.get(key) == asked
                   for fixed in item.get("fixed_ips", []))  # fmt: skip
    if name not in item:
        return True  # as Neutron: a filter that it does not know is no filter
    have = item[name]
    if isinstance(have, list):
        return value in have
    if isinstance(have, bool):
        return str(have).lower() == value.lower()
    return ("" if have is None else str(have)) == value
