/* The protocol of claims and results, for spin. One task at a time is enough to race for: tasks are independent but for the
 * head of the branch, which every landed push moves; a second task is there to move it.
 *
 * A push is compare-and-swap: it lands when the head is still the one the worker built on. Its answer may be lost; the worker
 * then looks whether its nonce is in the ledger. A worker may freeze or die at any point; its claim may be given back to
 * the queue at any time after that (the lease ran out), also while a frozen one has not noticed.
 *
 * Checked: at most one result a task, ever (assert in RECORD); a task is always in exactly one place (its state is one
 * variable); every task ends although workers die, as long as one lives (no invalid end state).
 * Both tasks are of one concurrency group, of which one may run. A claim counts what runs at the head that it goes on top of,
 * and one commit may claim both; checked: never more run than may (assert in CLAIM). The group changes nothing else here, for
 * each worker runs one task at a time.
 * With -DNO_FENCING a result is recorded without a look at the nonce; with -DNO_SETTLE a lost answer is taken for a failure
 * and the result is recorded again. With -DEARLY_COUNT what runs is counted when the task is chosen, and the claim is made again
 * on a head that has moved; with -DCOUNT_APART each claim of one commit counts what ran before it. All four must fail.
 */
#define WORKERS 3
#define TASKS 2
#define CRASHES 2
#define RETURNS 1

#define QUEUE 0
#define RUNNING 1
#define DONE 2

byte state[TASKS];
byte nonce[TASKS];   /* of the claim, 0: none */
byte results[TASKS]; /* how many were recorded */
byte head;           /* counts landed pushes */
byte fresh = 1;      /* the next nonce */
byte crashes, returns;
bool silent[WORKERS]; /* frozen or dead: others may take its claims */
byte owner[TASKS];   /* worker + 1 of the claim */

#define ALL_DONE (state[0] == DONE && state[1] == DONE)
#define LIMIT 1
#define RUNS ((state[0] == RUNNING) + (state[1] == RUNNING))

/* What a landed push does, at the server, in one step. */
inline CLAIM(t, me, n) { state[t] = RUNNING; nonce[t] = n; owner[t] = me + 1; head++; assert(RUNS <= LIMIT) }
inline RECORD(t) { results[t]++; assert(results[t] <= 1); state[t] = DONE; nonce[t] = 0; owner[t] = 0; head++ }

proctype worker(byte me)
{
	byte t, mine, base;
	bool told;
idle:
	silent[me] = false;
	if
	:: ALL_DONE -> goto leave
	:: d_step { state[0] == QUEUE && RUNS < LIMIT -> t = 0; base = head }
	:: d_step { state[1] == QUEUE && RUNS < LIMIT -> t = 1; base = head }
	/* heal: an orphan of a silent worker goes back to the queue, by the same compare-and-swap */
	:: atomic { state[0] == RUNNING && silent[owner[0] - 1] -> state[0] = QUEUE; nonce[0] = 0; owner[0] = 0; head++; goto idle }
	:: atomic { state[1] == RUNNING && silent[owner[1] - 1] -> state[1] = QUEUE; nonce[1] = 0; owner[1] = 0; head++; goto idle }
	fi;
	/* claim */
	atomic {
		mine = fresh;
		if
#ifdef COUNT_APART
		:: base == head && state[0] == QUEUE && state[1] == QUEUE && RUNS < LIMIT ->
			fresh = fresh + 2; CLAIM(0, me, mine); CLAIM(1, me, mine + 1)
#endif
#ifdef EARLY_COUNT
		:: state[t] == QUEUE -> fresh++; CLAIM(t, me, mine)
#else
		:: base == head && state[t] == QUEUE && RUNS < LIMIT -> fresh++; CLAIM(t, me, mine)
#endif
		:: else -> goto idle /* rejected: fetch and choose again */
		fi
	}
	/* The answer may be lost: our nonce in the ledger tells that it landed. */
	if
	:: skip
	:: atomic { nonce[t] == mine -> skip }
	fi;
	/* Claimed ahead of a free slot, it may go back before it runs; run; freeze, or die */
	if
	:: skip
	:: atomic { returns < RETURNS && nonce[t] == mine -> returns++; state[t] = QUEUE; nonce[t] = 0; owner[t] = 0; head++; goto idle }
	:: atomic { crashes < CRASHES -> crashes++; silent[me] = true } /* frozen: goes on below, not knowing */
	:: atomic { crashes < CRASHES -> crashes++; silent[me] = true; goto restart }
	fi;
	/* record, until the ledger has it or refuses it */
record:
	base = head;
	atomic {
		if
#ifdef NO_FENCING
		:: base == head -> RECORD(t); told = true
#else
		:: base == head && state[t] == RUNNING && nonce[t] == mine -> RECORD(t); told = true
		:: base == head && !(state[t] == RUNNING && nonce[t] == mine) -> goto idle /* late: dropped */
#endif
		:: base != head -> goto record /* rejected: re-apply on the new head */
		fi
	}
	if
	:: skip /* the answer came */
	:: told -> /* it was lost */
#ifdef NO_SETTLE
		atomic { RECORD(t) } /* repeated blindly */
#else
		skip /* the fetch shows our commit in the branch */
#endif
	fi;
	told = false;
	goto idle;
restart:
	/* The same node comes back, and settles its own claim before anything else; or it never does. */
	if
	:: atomic {
		if
		:: state[t] == RUNNING && nonce[t] == mine -> state[t] = QUEUE; nonce[t] = 0; owner[t] = 0; head++
		:: else -> skip
		fi
	   };
	   goto idle
	:: me != 0 -> goto leave /* one lives on */
	fi;
leave:
	skip
}

init {
	atomic {
		run worker(0);
		run worker(1);
		run worker(2)
	};
	_nr_pr == 1; /* an end that is never reached is an invalid end state: no deadlock */
	assert(ALL_DONE);
	assert(results[0] == 1 && results[1] == 1)
}
