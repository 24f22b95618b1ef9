# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

"""What tasks cost in asyncio: four figures on a line, ns each, as tasks.c has
them. usage: tasks.py asyncio|uvloop"""

import asyncio
import sys
import time

TASKS = 1000
TURNS = 100_000
ROUNDS = 20_000


def each(start, count):
    return (time.perf_counter_ns() - start) / count


async def await_done():
    done = asyncio.get_running_loop().create_future()
    done.set_result(1)
    start = time.perf_counter_ns()
    for _ in range(TURNS):
        await done
    return each(start, TURNS)


async def yield_all():
    async def yield_often():
        for _ in range(TURNS // TASKS):
            await asyncio.sleep(0)

    start = time.perf_counter_ns()
    tasks = [asyncio.create_task(yield_often()) for _ in range(TASKS)]
    for task in tasks:
        await task
    return each(start, TURNS)


async def ping_pong():
    loop = asyncio.get_running_loop()
    balls = [loop.create_future(), loop.create_future()]

    async def play(me):
        for _ in range(ROUNDS):
            await balls[me]
            balls[me] = loop.create_future()
            balls[1 - me].set_result(1)

    start = time.perf_counter_ns()
    second = asyncio.create_task(play(1))
    balls[0].set_result(1)
    await play(0)
    await second
    return each(start, 2 * ROUNDS)


async def spawn_and_join():
    async def do_nothing():
        pass

    start = time.perf_counter_ns()
    for _ in range(ROUNDS // TASKS):
        tasks = [asyncio.create_task(do_nothing()) for _ in range(TASKS)]
        for task in tasks:
            await task
    return each(start, ROUNDS)


async def main():
    parts = (await_done, yield_all, ping_pong, spawn_and_join)
    print(*["%.1f" % await part() for part in parts])


if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main())
