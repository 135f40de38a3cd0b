"""What an audit, a download, preprocessing and a split found, as text."""

from typing import Any

from core.results import SplitSummary
from core.words import counted, people

SHOWN_GROUPS = 20


def audit_text(findings: dict[str, Any], *, every_group: bool = False) -> str:
    """Say what an audit found.

    Args:
        findings: As `Audit.as_dict` gives them.
        every_group: Whether to list all groups of copies rather than the first 20.
    """
    by_class = findings["images_by_class"]
    lines = [f"{counted(findings['images'], 'image')}: " + _list(by_class)]
    lines += _people_text(findings)
    unreadable = findings["unreadable"]
    lines.append(counted(len(unreadable), "unreadable file") if unreadable else "No unreadable files.")
    lines += [f"  {item['reason']}" for item in unreadable[:SHOWN_GROUPS]]
    lines += _set_aside_text(findings["set_aside"])
    lines += _copies_text(findings, every_group=every_group)
    return "\n".join(lines)


def _people_text(findings: dict[str, Any]) -> list[str]:
    if not findings["people_found"]:
        return [
            f"People are not established: {findings['people_unknown_because']}. Near copies are grouped; nothing more "
            "is claimed."
        ]
    slices = findings["slices_per_subject"]
    each = f"{counted(slices[0], 'slice')} each" if len(slices) == 1 else f"{slices[0]} to {slices[-1]} slices each"
    lines = [f"{people(findings['people'])}, {each}: {_list(findings['people_by_class'])}"]
    if findings["people_named"]:
        named_by = findings["people_named_by"] or "a table or the files' names"
        lines.append(f"  as named by {named_by}")
    else:
        lines += [
            f"  found from the images alone: slices of one person correlate at {findings['weakest_link']:.3f} or more, "
            f"those of two at {findings['strongest_other']:.3f} or less",
            f"  threshold {findings['threshold']:.3f}; the gap is {findings['clearness']:.1f} times as wide as the "
            "spread of the links above it (1 is the least that is accepted)",
        ]
    doubts = findings["doubts"]
    lines += [f"  doubtful: {doubt}" for doubt in doubts[:SHOWN_GROUPS]]
    if len(doubts) > SHOWN_GROUPS:
        lines.append(f"  … and {len(doubts) - SHOWN_GROUPS} more doubts; --json lists them")
    return lines


def _set_aside_text(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return []
    lines = [f"{counted(len(found), 'picture')} set aside, in no split:"]
    lines += [f"  {item['path']}: {item['reason']}" for item in found[:SHOWN_GROUPS]]
    if len(found) > SHOWN_GROUPS:
        lines.append(f"  … and {len(found) - SHOWN_GROUPS} more; --json lists them")
    return lines


def _copies_text(findings: dict[str, Any], *, every_group: bool) -> list[str]:
    identical = findings["identical_groups"]
    if not identical:
        lines = ["No byte-identical copies."]
    else:
        lines = [
            f"{counted(findings['identical_copies'], 'byte-identical copy', 'byte-identical copies')}, in "
            f"{counted(len(identical), 'group')}:"
        ]
        lines += _group_lines(identical, every_group=every_group)
    straddling = findings["straddling_groups"]
    if straddling:
        groups = counted(len(straddling), "group straddles", "groups straddle")
        lines.append(f"{groups} parts, so that a test score on them is inflated:")
        lines += _group_lines(straddling, every_group=every_group)
    near = counted(findings["near_copies"], "near copy", "near copies")
    lines.append(f"{near} (correlation 0.999 or more), identical ones among them.")
    return lines


def _group_lines(groups: list[dict[str, Any]], *, every_group: bool) -> list[str]:
    shown = groups if every_group else groups[:SHOWN_GROUPS]
    lines = ["  " + "  =  ".join(group["paths"]) for group in shown]
    if len(groups) > len(shown):
        lines.append(f"  … and {len(groups) - len(shown)} more; --all lists them, --json and --table too")
    return lines


def download_text(values: dict[str, Any]) -> str:
    """Say what came of a download."""
    lines = [f"{counted(sum(values['counts'].values()), 'image')} in {values['folder']}: {_list(values['counts'])}"]
    if not values["as_known"]:
        lines.append(f"WARNING: the set was {_list(values['expected'])} when it was last seen; results may differ.")
    return "\n".join(lines)


def preprocess_text(values: dict[str, Any]) -> str:
    """Say what preprocessing left."""
    files, volumes = counted(values["files"], "file"), counted(values["volumes"], "volume")
    lines = [f"{files} of {volumes} of {people(values['people'])}"]
    lines += values.get("notes", [])
    if values["resumed"]:
        lines.append(f"{counted(values['resumed'], 'volume was', 'volumes were')} done already")
    if values["without_class"]:
        aside = counted(values["without_class"], "volume was", "volumes were")
        lines.append(f"{aside} set aside for want of a class")
    lines += [f"uncertain alignment: {source}; look at it before training on it" for source in values["doubtful"]]
    lines += [f"left out: {item['reason']}" for item in values["left_out"]]
    return "\n".join([*lines, f"written to {values['out']}, with manifest.csv"])


def split_text(split: SplitSummary) -> str:
    """Say what a split holds, and loudly when people lie in several of its parts or classes are missing from some."""
    lines = [f"split by {split.by}, seed {split.seed}"]
    for part, images in split.images.items():
        whose = f" of {people(split.people[part])}" if split.people else ""
        lines.append(f"  {part:<6}{_number(images):>7} {'image' if images == 1 else 'images'}{whose}")
    if split.subject_overlap:
        lines.append(f"WARNING: {split.subject_overlap}")
    lines += [f"WARNING: {sentence}" for sentence in split.missing]
    return "\n".join(lines)


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{_number(count)} {name}" for name, count in counts.items())


def _number(count: int) -> str:
    return f"{count:,}"


def sample_text(made: dict[str, Any]) -> str:
    """Say what a sample cohort holds and where.

    Args:
        made: As `SampleCohort.as_dict` gives it.
    """
    return "\n".join(
        [
            made["notice"],
            f"{people(made['people'])}, {counted(made['slices'], 'slice')}: {_list(made['people_by_class'])}",
            f"slices    {made['folder']}/slices",
            f"subjects  {made['subjects']}",
            f"volume    {made['volume']}",
        ]
    )
