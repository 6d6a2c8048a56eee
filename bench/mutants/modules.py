"""The modules that `make mutants` changes, and the tests of each.

They are the modules whose faults cost a user most: money, tokens, visibility, delivery and pages. The tests
of a module are those of its own folder (`tests/` mirrors `chalicelib/`), its own test file first, because a
run ends at the first test that fails. `ALSO` names tests in other folders.
"""

from __future__ import annotations

from pathlib import Path

GUARDED: dict[str, tuple[str, ...]] = {
    "money": (
        "pricing/*.py",
        *(
            f"modules/cdrs/{name}.py"
            for name in (
                "assembly",
                "session_periods",
                "running_cost",
                "compiler",
                "earlier_cdrs",
                "start_snapshots",
            )
        ),
        "modules/reconciliation/verdicts.py",
        "modules/cdr_comparison.py",
    ),
    "tokens": (
        "protocol/auth.py",
        "partners/directory.py",
        *(f"modules/credentials/{name}.py" for name in ("called_side", "calling_side", "handshake")),
        "modules/tokens/rules.py",
    ),
    "visibility": ("policy/visibility.py", "hub/relay.py", "policy/session_viewers.py"),
    "delivery": (
        *(
            f"pushing/{name}.py"
            for name in (
                *(
                    "push_decisions",
                    "deliveries",
                    "pushes",
                    "push_requests",
                    "push_results",
                    "push_faults",
                    "catch_up",
                    "outbox",
                    "outbox_decisions",
                ),
                *("retries", "replays", "failure_record"),
            )
        ),
        "calls/answers.py",
        "partners/breaker.py",
    ),
    "pages": ("storage/list_orders.py", "storage/cursor.py", "storage/lists.py", "protocol/pagination.py"),
}
ALSO: dict[str, tuple[str, ...]] = {
    "calls/answers.py": ("tests/calls/test_client_answers.py", "tests/calls/test_bad_servers.py"),
    "partners/directory.py": (
        "tests/modules/credentials",
        "tests/operator_api/test_partners.py",
    ),
    "protocol/auth.py": ("tests/modules/credentials", "tests/test_endpoint.py"),
    "protocol/pagination.py": ("tests/modules/tariffs/test_sender.py", "tests/calls/test_crawling.py"),
    "modules/cdrs/assembly.py": (
        "tests/modules/cdrs/test_compiler.py",
        "tests/modules/cdrs/test_cdr_makers.py",
        "tests/modules/cdrs/test_running_cost.py",
    ),
    "modules/cdrs/earlier_cdrs.py": (
        "tests/modules/cdrs/test_parts.py",
        "tests/modules/cdrs/test_cdr_ids.py",
    ),
    "modules/cdrs/start_snapshots.py": (
        "tests/modules/cdrs/test_parts.py",
        "tests/modules/cdrs/test_compiler.py",
    ),
    "modules/cdrs/session_periods.py": (
        "tests/modules/cdrs/test_last_period.py",
        "tests/modules/cdrs/test_session_periods.py",
        "tests/modules/cdrs/test_set_aside.py",
    ),
}


def guarded_modules(root: Path) -> dict[str, str]:
    """Paths of the guarded modules below the root, each with the kind of harm that a fault would do."""
    source = root / "chalicelib"
    return {
        path.relative_to(root).as_posix(): kind
        for kind, patterns in GUARDED.items()
        for pattern in patterns
        for path in sorted(source.glob(pattern))
        if path.name != "__init__.py"
    }


def judges_of(module: str, root: Path) -> tuple[tuple[str, ...], ...]:
    """The test paths of a module, one tuple per pytest run; the nearest tests come first."""
    inside = Path(module).relative_to("chalicelib")
    folder = Path("tests") / inside.parent
    examples = (module,) if ">>>" in (root / module).read_text(encoding="utf-8") else ()
    own = (
        path.relative_to(root).as_posix() for path in sorted((root / folder).glob(f"test_{inside.stem}*.py"))
    )
    runs = ((*examples, *own), ALSO.get(inside.as_posix(), ()), (folder.as_posix(),))
    return tuple(run for run in runs if run)
