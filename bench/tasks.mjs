// Copyright (c) The Tenon authors
// SPDX-License-Identifier: MIT

// What async functions cost in Node: four figures on a line, ns each, as
// tasks.c has them. A wake is by setImmediate, which goes through the loop.

const TASKS = 1000;
const TURNS = 1000000;
const ROUNDS = 200000;

const now = () => Number(process.hrtime.bigint());
const each = (start, count) => (now() - start) / count;
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function awaitDone() {
  const done = Promise.resolve(1);
  const start = now();
  for (let i = 0; i < TURNS; i++) await done;
  return each(start, TURNS);
}

async function yieldAll() {
  const yieldOften = async () => {
    for (let i = 0; i < TURNS / TASKS; i++) await turn();
  };
  const start = now();
  const tasks = [];
  for (let i = 0; i < TASKS; i++) tasks.push(yieldOften());
  for (const task of tasks) await task;
  return each(start, TURNS);
}

function ball() {
  const made = {};
  made.promise = new Promise((resolve) => { made.resolve = resolve; });
  return made;
}

async function pingPong() {
  const balls = [ball(), ball()];
  const play = async (me) => {
    for (let i = 0; i < ROUNDS; i++) {
      await balls[me].promise;
      balls[me] = ball();
      balls[1 - me].resolve();
    }
  };
  const start = now();
  const second = play(1);
  balls[0].resolve();
  await play(0);
  await second;
  return each(start, 2 * ROUNDS);
}

async function spawnAndJoin() {
  const nothing = async () => {};
  const start = now();
  for (let round = 0; round < ROUNDS / TASKS; round++) {
    const tasks = [];
    for (let i = 0; i < TASKS; i++) tasks.push(nothing());
    for (const task of tasks) await task;
  }
  return each(start, ROUNDS);
}

const figures = [];
for (const part of [awaitDone, yieldAll, pingPong, spawnAndJoin]) {
  figures.push((await part()).toFixed(1));
}
console.log(figures.join(' '));
