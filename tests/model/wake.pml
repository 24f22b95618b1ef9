/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The wake protocol of core/loop/inbox.c (R11), for spin: two threads that
 * post twice each, and the owner, in all interleavings. A word before a
 * statement, such as `push:`, names the function of the C that it models.
 *
 * What is proven: no post is lost, none runs twice, those of one thread keep
 * their order, the owner never sleeps for good while a post waits, an inbox
 * that is closed runs or refuses each post, and nobody touches one that was
 * freed.
 *
 * A thread sees the accesses of another one in order, but for the owner's
 * clearing of `wake`: where that is no read-modify-write (FENCE_OUT), it may
 * sit in the store buffer while later loads go ahead. Compile with one of
 *
 *   FENCE_OUT    `wake` is cleared by a plain store
 *   CLEAR_FIRST  it is cleared before the eventfd is read
 *   NO_LOOK      the stack is not looked at again before sleeping
 *   WAKE_FIRST   a post wakes before it pushes
 *
 * to see each of them fail.
 */

#define POSTERS 2
#define EACH 2
#define POSTS 4   /* nodes 1 to 4: poster p has 2p + 1 and 2p + 2 */
#define EMPTY 0
#define CLOSED 15 /* &inbox->closed */

byte head = EMPTY;     /* inbox->head: a node, EMPTY or CLOSED */
byte next[POSTS + 1];  /* post->node.next */
bit wake = 0;          /* inbox->wake */
byte event_fd = 0;     /* the counter of the kernel */
byte refs = 3;         /* inbox->refs */

byte ran[POSTS + 1];     /* how often its function was called */
bit accepted[POSTS + 1]; /* tenon_post answered TENON_OK */
byte last_ran[POSTERS];  /* its latest post that was called */
byte posters_done = 0;
bit owner_done = 0;

#ifdef FENCE_OUT
bit buffered = 0; /* the owner's store of 0 to `wake` is on its way */
#endif

/* tenon__inbox_wake: the exchange, and the write that only one of the threads
 * makes which find 0. */
inline wake_up()
{
    atomic { /* atomic_exchange(&inbox->wake, 1) */
        assert(refs > 0);
        found = wake;
        wake = 1
    };
    if
    :: found == 0 ->
        atomic { /* write(inbox->event_fd, &one, sizeof one) */
            assert(refs > 0);
            event_fd++
        }
    :: else
    fi
}

/* push: the load, and the compare-and-exchange until it succeeds. */
inline push(node)
{
    atomic { /* atomic_load_explicit(&inbox->head, relaxed) */
        assert(refs > 0);
        seen = head
    };
    do
    :: seen == CLOSED -> break /* return false */
    :: else ->
        next[node] = seen; /* node->next = head */
        atomic {           /* atomic_compare_exchange_weak_explicit */
            assert(refs > 0);
            if
            :: head == seen -> head = node; accepted[node] = 1; break
            :: else -> seen = head
            fi
        }
    od
}

/* tenon_inbox_unref */
inline unref()
{
    atomic {
        assert(refs > 0);
        refs--
    }
}

/* tenon_post, twice. */
proctype poster(byte me)
{
    byte count = 0;
    byte node;
    byte seen;
    bit found;

    do
    :: count == EACH -> break
    :: else ->
        node = me * EACH + count + 1;
#ifdef WAKE_FIRST
        wake_up();
        push(node);
#else
        push(node);
        if
        :: seen != CLOSED -> wake_up()
        :: else /* TENON_CLOSED */
        fi;
#endif
        count++
    od;
    unref();
    posters_done++
}

/* run_with, for the nodes of a list that is ours alone, oldest first: the
 * list came newest first, so the last one that has not run is the next. */
inline run_all()
{
    do
    :: list == EMPTY || list == CLOSED -> break
    :: else ->
        d_step {
            newer = EMPTY; /* turn the list around, as take_all does */
            do
            :: list == EMPTY || list == CLOSED -> break
            :: else ->
                node = list;
                list = next[node];
                next[node] = newer;
                newer = node
            od;
            do
            :: newer == EMPTY -> break
            :: else ->
                node = newer;
                newer = next[node];
                ran[node]++;
                assert(ran[node] == 1); /* exactly once */
                assert(last_ran[(node - 1) / EACH] < node); /* in order */
                last_ran[(node - 1) / EACH] = node
            od
        }
    od
}

/* take_all: atomic_exchange_explicit(&inbox->head, leave, acq_rel). It is a
 * locked instruction, before which the store buffer drains. */
inline take_all(leave)
{
#ifdef FENCE_OUT
    !buffered;
#endif
    atomic { list = head; head = leave };
    run_all()
}

/* The loop of core/loop/turn.c, as far as it is about the inbox. Instead of
 * any turn it may close, tenon__inbox_close. */
proctype owner()
{
    byte list;
    byte node;
    byte newer;
    bit waits;

    do
    :: /* tenon_reactor_close, and the reactor's own reference */
        take_all(CLOSED);
        break
    :: /* all is done: so that there is an end without a close, too */
        atomic {
            posters_done == POSTERS && head == EMPTY ->
            assert(ran[1] + ran[2] + ran[3] + ran[4] == POSTS);
            break
        }
    :: /* begin_turn: if (tenon__inbox_waiting(r)) tenon__inbox_drain(r) */
        waits = (head != EMPTY);
        if
        :: waits -> take_all(EMPTY)
        :: else
        fi;
        /* wait_for_events; or the host's poll, after `leave` found no more */
        if
        :: event_fd > 0
        :: timeout ->
            /* Nobody can move any more: it sleeps for good. */
            assert(head == EMPTY);
            assert(posters_done == POSTERS);
            break
        fi;
        /* tenon__inbox_acknowledge */
#ifdef CLEAR_FIRST
        wake = 0;     /* atomic_exchange(&r->inbox->wake, 0) */
        event_fd = 0; /* read(r->inbox->event_fd, &count, sizeof count) */
#else
        event_fd = 0;
#ifdef FENCE_OUT
        buffered = 1;
#else
        wake = 0;
#endif
#endif
        /* has_more: tenon__inbox_waiting, then another turn; else it sleeps,
         * which is to wait above with nothing taken before. */
#ifdef NO_LOOK
        waits = 0;
#else
        waits = (head != EMPTY);
#endif
        if
        :: waits
        :: else ->
            if
            :: event_fd > 0
            :: timeout ->
                assert(head == EMPTY);
                assert(posters_done == POSTERS);
                break
            fi
        fi
    od;
    unref();
    owner_done = 1
}

#ifdef FENCE_OUT
/* The store buffer writes it back at some time. */
proctype store_buffer()
{
end:
    do
    :: atomic { buffered -> wake = 0; buffered = 0 }
    od
}
#endif

init {
    byte i;
    atomic {
        run owner();
        run poster(0);
        run poster(1);
#ifdef FENCE_OUT
        run store_buffer();
#endif
    };
    posters_done == POSTERS && owner_done;
    /* What was accepted has run, or was told by the close, once. */
    i = 1;
    do
    :: i > POSTS -> break
    :: else ->
        assert(ran[i] == accepted[i]);
        i++
    od;
    assert(refs == 0)
}
