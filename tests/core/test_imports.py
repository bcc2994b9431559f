"""The import graph of everything that ships has no circle, not even between two modules of one app."""

from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = grimp.build_graph("apps", "meshconsole", "examples", "benchmarks")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    # raises CycleError and names the circle
    TopologicalSorter(imports).prepare()
