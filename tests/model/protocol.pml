/* The pool's whole protocol: two slots with their owners, who push and pop; each is a thief at the
 * other one's slot. With a store buffer for each thread, as x86 has.
 *
 *   P1  Two threads are never inside a slot's exclusion at once (inside).
 *   P2  A handle is never in two hands (leased), and none is lost (at the end).
 *   P3  A pop answers "none" only when at some instant of the call every place was empty and nothing
 *       was in transit (was_empty).
 *
 * Names are those of pool/: bias.h, magazine.h, pool_pop.cc, pool_push.cc. A depot is a stack of at
 * most two blocks, each a set of handles, and changes at once: that is what block_stack_model.cc
 * shows. Waits are taken for as long as they may last: a read happens any time later. How many quiet
 * entries there were before the owner takes its bias back is any number. A pop that has not found an
 * answer in ROUNDS rounds is given up.
 */
#ifndef OPS
#define OPS 2 /* of each owner */
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define ROOM 2   /* of a magazine */
#define BATCH 2  /* of a block */
#ifndef BUFFER
#define BUFFER 2 /* stores that others do not see yet, at most 3 */
#endif

/* Words of a slot. */
#define FIELDS 6
#define WORD(s) ((s) * FIELDS)
#define ACTIVE(s) ((s) * FIELDS + 1)
#define PACK(s) ((s) * FIELDS + 2) /* the magazine's: pushed << 2 | size */
#define MOVES(s) ((s) * FIELDS + 3)
#define CELL(s, i) ((s) * FIELDS + 4 + (i))
byte mem[12];
#define BIASED 0
#define SHARED 2
#define HELD 3
/* How an owner came in. */
#define FAST 1
#define LOCKED 2
#define REFUSED 3

/* What is changed by locked instructions only. */
byte top[2], below[2], tag[2], transit[2];

/* Store buffers, the oldest first. */
byte where[6], what[6], stored[2];
#define B(p, i) ((p) * 3 + (i))
#define READ(p, l)                                                      \
  ((stored[p] > 2 && where[B(p, 2)] == (l)) -> what[B(p, 2)] :              \
   ((stored[p] > 1 && where[B(p, 1)] == (l)) -> what[B(p, 1)] :             \
    ((stored[p] > 0 && where[B(p, 0)] == (l)) -> what[B(p, 0)] : mem[l])))
/* A locked instruction of thread `me` waits for this. */
#define DRAINED (stored[me] == 0)

#define SIZE(p, s) (READ(p, PACK(s)) & 3)
#define MEM_SIZE(s) (mem[PACK(s)] & 3)
#define ONE_PUSH 5

/* Not of the pool: what is watched. */
byte inside[2], leased, kept;
bool was_empty[2];
/* A thread has handles of the pool in its hands. What `transit` says of it is the pool's word. */
bool carries[2];
/* A push counts once others can see it, a pop at once. */
#define EMPTY(s) ((MEM_SIZE(s) == 0 || SIZE(s, s) == 0) && top[s] == 0 && transit[s] == 0)
#define NOTE                                                    \
  if                                                            \
  :: EMPTY(0) && EMPTY(1) && !carries[0] && !carries[1] -> was_empty[0] = 1; was_empty[1] = 1 \
  :: else                                                       \
  fi

#define LOWEST(set) (((set) & 2) -> 1 : (((set) & 4) -> 2 : (((set) & 8) -> 3 : 0)))
#define COUNT(set) ((((set) >> 1) & 1) + (((set) >> 2) & 1) + (((set) >> 3) & 1))

inline store(l, v) {
  d_step {
    stored[me] < BUFFER ->
    where[B(me, stored[me])] = l;
    what[B(me, stored[me])] = v;
    stored[me]++
  }
}

/* Only one thread at a time adds to a word. A magazine may be empty by it. */
inline add(l, n) {
  now = (READ(me, l) + n) & 255;
  d_step {
    stored[me] < BUFFER ->
    where[B(me, stored[me])] = l;
    what[B(me, stored[me])] = now;
    stored[me]++;
    now = 0;
    NOTE
  }
}

inline drain_one(p) {
  mem[where[B(p, 0)]] = what[B(p, 0)];
  where[B(p, 0)] = where[B(p, 1)]; what[B(p, 0)] = what[B(p, 1)];
  where[B(p, 1)] = where[B(p, 2)]; what[B(p, 1)] = what[B(p, 2)];
  where[B(p, 2)] = 0; what[B(p, 2)] = 0;
  stored[p]--;
  NOTE
}

proctype Drain(byte p) {
end:
  do
  :: d_step { stored[p] > 0 -> drain_one(p) }
  od
}

/* membarrier: a full barrier in the other thread. */
inline heavy_fence() {
  d_step {
    do
    :: stored[other] > 0 -> drain_one(other)
    :: else -> break
    od
  }
}

inline go_in(s) { assert(inside[s] == 0); inside[s]++ }

/* ---- bias.h ---- */

inline enter() {
  store(ACTIVE(me), 1);
  /* The light fence: the load stays behind the store. */
  atomic {
    if
    :: READ(me, WORD(me)) == BIASED -> go_in(me); entry = FAST
    :: else -> entry = REFUSED
    fi
  }
  if
  :: entry == FAST
  :: else ->
    store(ACTIVE(me), 0);
    atomic {
      DRAINED ->
      if
      :: mem[WORD(me)] == SHARED -> mem[WORD(me)] = HELD; go_in(me); entry = LOCKED
      :: else
      fi
    }
  fi
}

inline leave() {
  inside[me]--;
  if
  :: entry == FAST -> store(ACTIVE(me), 0)
  :: entry == LOCKED -> store(WORD(me), SHARED)
  :: entry == LOCKED -> store(WORD(me), BIASED)
  fi
}

inline try_hold() {
  atomic {
    DRAINED ->
    was = mem[WORD(other)];
    if
    :: was == HELD -> held = 0
    :: else -> mem[WORD(other)] = HELD; held = 1
    fi
  }
  if
  :: held ->
    if
    :: was == BIASED -> heavy_fence()
    :: else
    fi;
    atomic {
      if
      :: READ(me, ACTIVE(other)) == 0 -> go_in(other)
      :: else -> held = 0
      fi
    };
    if
    :: held
    :: else -> store(WORD(other), SHARED) /* gives up */
    fi
  :: else
  fi;
  was = 0
}

inline release() {
  inside[other]--;
  store(WORD(other), SHARED)
}

/* ---- magazine.h, inside ---- */

inline magazine_pop(handle) {
  size = SIZE(me, me);
  if
  :: size != 0 ->
    add(PACK(me), 255);
    handle = READ(me, CELL(me, size - 1))
  :: else
  fi;
  size = 0
}

inline magazine_push(handle) {
  store(CELL(me, size), handle);
  add(PACK(me), ONE_PUSH)
}

/* `set` of one or two, which fit. */
inline load(set) {
  size = SIZE(me, me);
  count = COUNT(set);
  left = set;
  do
  :: left != 0 ->
    now = LOWEST(left);
    store(CELL(me, size), now);
    left = left & ~(1 << LOWEST(left));
    size++
  :: else -> break
  od;
  add(PACK(me), count);
  add(MOVES(me), 1);
  size = 0; count = 0; now = 0
}

/* The coldest `count` of slot s. */
inline unload(s, set) {
  set = 0;
  if
  :: count > 0 ->
    carries[me] = 1;
    set = 1 << READ(me, CELL(s, 0));
    if
    :: count > 1 -> set = set | (1 << READ(me, CELL(s, 1)))
    :: count == 1 && SIZE(me, s) > 1 -> now = READ(me, CELL(s, 1)); store(CELL(s, 0), now); now = 0
    :: else
    fi;
    add(PACK(s), 256 - count);
    add(MOVES(s), 1)
  :: else
  fi;
  count = 0
}

/* ---- the depots: block_stack.h ---- */

inline depot_push(s, set) {
  atomic {
    DRAINED ->
    assert(set != 0 && below[s] == 0);
    below[s] = top[s]; top[s] = set; tag[s]++
  }
}

inline depot_pop(s, set) {
  atomic {
    DRAINED ->
    set = top[s];
    if
    :: set != 0 -> top[s] = below[s]; below[s] = 0; tag[s]++; carries[me] = 1
    :: else
    fi
  }
}

/* ---- transit.h ---- */

inline begin_transit() { atomic { DRAINED -> transit[me]++ } }
inline end_transit() { d_step { DRAINED -> transit[me]--; NOTE } }
inline put_down() { d_step { DRAINED -> carries[me] = 0; NOTE } }

/* ---- pool_push.cc ---- */

inline add_to_depot(set) {
  depot_pop(me, upper);
  if
  :: upper != 0 && COUNT(upper) + COUNT(set) > BATCH -> depot_push(me, upper); upper = 0
  :: else
  fi;
  upper = upper | set;
  depot_push(me, upper);
  upper = 0
}

inline stash(set) {
  if
  :: set != 0 ->
    enter();
    if
    :: entry != REFUSED ->
      if
      :: SIZE(me, me) + COUNT(set) <= ROOM -> load(set); set = 0
      :: else
      fi;
      leave()
    :: else
    fi;
    if
    :: set != 0 -> add_to_depot(set); set = 0
    :: else
    fi
  :: else
  fi
}

inline spill() {
  begin_transit();
  enter();
  if
  :: entry != REFUSED ->
    count = (SIZE(me, me) < BATCH -> SIZE(me, me) : BATCH);
    unload(me, block);
    leave()
  :: else
  fi;
  if
  :: block != 0 -> depot_push(me, block); block = 0
  :: else
  fi;
  put_down();
  end_transit()
}

inline push_once() {
  size = SIZE(me, me);
  if
  :: size < ROOM -> magazine_push(mine); mine = 0
  :: else
  fi;
  size = 0;
  leave()
}

inline push() {
  leased = leased & ~(1 << mine);
  enter();
  if
  :: entry != REFUSED ->
    push_once();
    if
    :: mine != 0 ->
      spill();
      enter();
      if
      :: entry != REFUSED -> push_once()
      :: else
      fi
    :: else
    fi
  :: else
  fi;
  if
  :: mine != 0 ->
    begin_transit();
    block = 1 << mine;
    mine = 0;
    add_to_depot(block);
    block = 0;
    put_down();
    end_transit()
  :: else
  fi
}

/* ---- pool_pop.cc ---- */

inline pop_magazine() {
  enter();
  if
  :: entry != REFUSED -> magazine_pop(got); leave()
  :: else -> busy = 1
  fi
}

/* One handle of `block`; the others go where the owner has them at hand. */
inline open_block() {
  got = LOWEST(block);
  block = block & ~(1 << got);
  if
  :: block != 0 ->
    enter();
    if
    :: entry != REFUSED ->
      if
      :: SIZE(me, me) + COUNT(block) <= ROOM -> load(block); block = 0
      :: else
      fi;
      leave()
    :: else
    fi;
    if
    :: block != 0 -> depot_push(me, block); block = 0
    :: else
    fi
  :: else
  fi
}

inline pop_depot(s) {
  if
  :: got == 0 && top[s] != 0 ->
    begin_transit();
    depot_pop(s, block);
    if
    :: block != 0 -> open_block()
    :: else
    fi;
    put_down();
    end_transit()
  :: else
  fi
}

inline looks_empty(s) {
  size = SIZE(me, s)
}

inline pop_other_magazine() {
  looks_empty(other);
  if
  :: size != 0 ->
    size = 0;
    begin_transit();
    try_hold();
    if
    :: held ->
      if /* half, or as many as a batch wants */
      :: count = (SIZE(me, other) + 1) / 2
      :: count = SIZE(me, other)
      fi;
      unload(other, block);
      release();
      held = 0;
      if
      :: block != 0 ->
        got = LOWEST(block);
        block = block & ~(1 << got);
        stash(block)
      :: else
      fi
    :: else -> busy = 1
    fi;
    put_down();
    end_transit()
  :: else
  fi
}

inline stamp_slot(s, sum) {
  busy = busy || transit[s] != 0;
  sum = sum + (READ(me, PACK(s)) >> 2);
  sum = sum + READ(me, MOVES(s));
  sum = sum + tag[s]
}

inline pop_exactly() {
  rounds = 0;
  do
  :: got == 0 && rounds < ROUNDS ->
    rounds++;
    busy = 0;
    before = 0;
    stamp_slot(0, before);
    stamp_slot(1, before);
    pop_depot(me);
    pop_depot(other);
    if
    :: got == 0 -> pop_magazine()
    :: else
    fi;
    if
    :: got == 0 -> pop_other_magazine()
    :: else
    fi;
    if
    :: got == 0 ->
      after = 0;
      stamp_slot(0, after);
      stamp_slot(1, after);
      if
      :: before == after && !busy -> assert(was_empty[me]); break /* "none" */
      :: else
      fi
    :: else
    fi
  :: else -> break
  od;
  atomic { rounds = 0; busy = 0; before = 0; after = 0 }
}

inline pop() {
  d_step { was_empty[me] = 0; NOTE }
  enter();
  if
  :: entry != REFUSED -> magazine_pop(got); leave()
  :: else
  fi;
  pop_depot(me);
  pop_depot(other);
  if
  :: got == 0 -> pop_exactly()
  :: else
  fi;
  atomic {
    if
    :: got != 0 -> assert((leased & (1 << got)) == 0); leased = leased | (1 << got)
    :: else
    fi;
    mine = got; got = 0; entry = 0; was_empty[me] = 0
  }
}

/* A client that never comes back. */
inline keep() { atomic { kept = kept | (1 << mine); mine = 0 } }

proctype Owner(byte me; byte mine) {
  byte other = 1 - me;
  byte entry, size, count, left, block, upper, got, was, rounds, before, after, op, now;
  bool held, busy;
  do
  :: op < OPS ->
    op++;
    if
    :: mine != 0 -> push()
    :: mine != 0 -> keep(); pop()
    :: mine == 0 -> pop()
    fi;
    entry = 0
  :: else -> break
  od;
  DRAINED;
  if
  :: mine != 0 -> keep()
  :: else
  fi
}

/* At the end: every handle once. */
byte all, i;
inline see(set) { assert((all & (set)) == 0); all = all | (set) }

init {
  atomic {
    run Drain(0); run Drain(1); /* first: threads end in the opposite order */
    if
    :: mem[WORD(0)] = BIASED
    :: mem[WORD(0)] = SHARED
    fi;
    if /* where the handles are */
    :: top[0] = 6; mem[CELL(1, 0)] = 3; mem[PACK(1)] = 1; run Owner(0, 0); run Owner(1, 0)
    :: mem[CELL(0, 0)] = 1; mem[CELL(0, 1)] = 2; mem[PACK(0)] = 2; leased = 8; run Owner(0, 3);
      run Owner(1, 0)
    :: top[0] = 6; run Owner(0, 0); run Owner(1, 0)
    :: top[0] = 2; leased = 4; run Owner(0, 2); run Owner(1, 0)
    fi;
  }
  (_nr_pr == 3) -> /* both owners have ended */
  d_step {
    all = kept;
    see(top[0]); see(below[0]); see(top[1]); see(below[1]);
    i = 0;
    do
    :: i < MEM_SIZE(0) -> see(1 << mem[CELL(0, i)]); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < MEM_SIZE(1) -> see(1 << mem[CELL(1, i)]); i++
    :: else -> break
    od;
    assert(all == 14 || all == 6)
  }
}
