# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

"""Tasks, in gdb:

  (gdb) source tools/gdb/tenon.py
  (gdb) tenon tasks [REACTOR]        every task, and what it waits for
  (gdb) tenon task ID [COMMAND]      the stack of one: COMMAND (bt) as if the
                                     task were the thread that is stopped

REACTOR is an expression; without one it is the reactor whose turn, or run, is
on this thread. It reads the library's own structs, so that has to have been
built with debugging information; unwinding needs a process, not a core file.
"""

import gdb

STATES = ("new", "ready", "running", "waiting", "done")
READY, RUNNING, WAITING = 1, 2, 3


def reactor(text):
    """The one that is meant, as a value."""
    value = gdb.parse_and_eval(text or "tenon__current")
    if int(value) == 0:
        raise gdb.GdbError("no reactor is on this thread: name one")
    return value.cast(gdb.lookup_type("tenon_reactor").pointer()).dereference()


def tasks(r):
    """Those that have not ended, oldest first."""
    if int(r["tasks"]) == 0:
        return
    task_type = gdb.lookup_type("struct tenon_task")
    offset = next(f.bitpos // 8 for f in task_type.fields() if f.name == "node")
    head = r["tasks"]["all"]
    node = head["next"]
    while int(node) != int(head.address):
        if int(node["run"]) == 0:  # else it is the mark of a walk
            address = int(node) - offset
            yield gdb.Value(address).cast(task_type.pointer()).dereference()
        node = node["next"]


def text(value):
    return value.string() if int(value) else "-"


def awaited(wait):
    """The task behind the future that is waited for, or None."""
    if text(wait["kind"]["name"]) != "future" or int(wait["object"]) == 0:
        return None
    future = wait["object"].cast(gdb.lookup_type("tenon_future").pointer())
    if text(future["kind"]["name"]) != "task":
        return None
    return future.cast(gdb.lookup_type("struct tenon_task").pointer())


def line(task):
    state = int(task["state"])
    words = ["task #%d" % int(task["serial"]), task["name"].string(),
             STATES[state]]
    if state == WAITING:
        wait = task["wait"]
        words += ["for", text(wait["kind"]["name"]), "at", text(wait["site"])]
        other = awaited(wait)
        if other is not None:
            words += ["->", "#%d" % int(other["serial"]),
                      other["name"].string()]
    words += ["made at", text(task["future"]["site"])]
    return " ".join(words)


def find(r, ident):
    for task in tasks(r):
        if int(task["serial"]) == ident:
            return task
    raise gdb.GdbError("there is no task #%d" % ident)


class Tenon(gdb.Command):
    """Looks into Tenon: tenon tasks, tenon task."""

    def __init__(self):
        super().__init__("tenon", gdb.COMMAND_DATA, prefix=True)


class TenonTasks(gdb.Command):
    """tenon tasks [REACTOR]: every task, and what it waits for."""

    def __init__(self):
        super().__init__("tenon tasks", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        count = 0
        for task in tasks(reactor(argument)):
            print(line(task))
            count += 1
        print("%d tasks" % count)


class TenonTask(gdb.Command):
    """tenon task ID [COMMAND]: a gdb command (bt) on the stack of a task."""

    def __init__(self):
        super().__init__("tenon task", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split(None, 1)
        if not words or not words[0].lstrip("#").isdigit():
            raise gdb.GdbError("usage: tenon task ID [COMMAND]")
        task = find(reactor(""), int(words[0].lstrip("#")))
        print(line(task))
        command = words[1] if len(words) > 1 else "bt"
        state = int(task["state"])
        if state == RUNNING:
            gdb.execute(command)
        elif int(task["stack"]["base"]) == 0 or state not in (READY, WAITING):
            print("it has no stack")
        else:
            self.visit(int(task["context"]["sp"]), command)

    @staticmethod
    def visit(sp, command):
        """Puts the thread where the task was parked, and back."""
        gdb.execute("frame 0", to_string=True)
        old_sp = int(gdb.parse_and_eval("(unsigned long)$sp"))
        old_pc = int(gdb.parse_and_eval("(unsigned long)$pc"))
        parked = int(gdb.parse_and_eval("(unsigned long)&tenon__context_parked"))
        try:
            gdb.execute("set $sp = %d" % sp, to_string=True)
            gdb.execute("set $pc = %d" % parked, to_string=True)
            gdb.execute("frame 0", to_string=True)
            gdb.execute(command)
        finally:
            gdb.execute("frame 0", to_string=True)
            gdb.execute("set $sp = %d" % old_sp, to_string=True)
            gdb.execute("set $pc = %d" % old_pc, to_string=True)
            gdb.execute("frame 0", to_string=True)


Tenon()
TenonTasks()
TenonTask()
