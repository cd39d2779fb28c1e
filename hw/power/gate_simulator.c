// Levelised, 64-lane, cycle-based gate simulator with toggle counts, and an event-driven one with cell delays for glitches.
//
// Every net holds 64 bits, one per lane; all lanes run the same netlist on their own input streams. A cycle: streams and
// registers see the settled values, the clock edge changes registers, memories and inputs together, then only those cells are
// evaluated whose inputs changed, in topological order, so that each net changes at most once per cycle (zero delay).
// cell_functions.inc, generated, has one case per cell function of the Liberty.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t word;
#define LANES 64
#define TICKS (1 << 15)

typedef struct {
  int32_t depth, address_bits, width, domain, men, wen, ren, place;
  const int32_t *address, *din, *dout, *mask;
  word *content;            // [depth][width]
  int64_t reads, writes;    // summed over lanes
} Macro;

typedef struct {
  int32_t is_input, width, valid, ready, enabled, place;
  const int32_t *data;
  const int64_t *values;    // input: all lanes' values
  int64_t *from, *to, *position;  // [LANES] input: next value's index into `values`; output: transfers so far
  int64_t *taken;           // output: [LANES][capacity]
  int64_t capacity;
} Stream;

typedef struct {
  int32_t nets, ops, flops, domains, macros, streams, lane, place;
  const int32_t *op_code, *op_out, *op_first, *op_in;
  const int32_t *fan_first, *fan_op, *fan_pin;
  const int32_t *flop_d, *flop_q, *flop_inverse;          // sorted by domain
  const int32_t *domain_parent, *domain_enable, *domain_net, *domain_flop;  // parents come first; domain 0 is the clock itself
  Macro *macro;
  Stream *stream;
  word *value, *dirty, *next, *enable;
  int64_t *toggles, *ones, *since;
  int64_t cycle;
  // delayed simulation of one lane in sampled cycles
  const int32_t *rise, *fall, *source_delay;   // ticks: per op_in entry, and per net that a register, macro or input drives
  word *bit;
  int64_t *delayed, *settled;
  int64_t sampled, differing, lost;
} Sim;

static inline word eval(int32_t code, const word *v, const int32_t *in) {
  switch (code) {
#include "cell_functions.inc"
  }
  return 0;
}

static void set_net(Sim *s, int32_t net, word value) {
  word old = s->value[net], changed = old ^ value;
  if (!changed) return;
  s->toggles[net] += __builtin_popcountll(changed);
  s->ones[net] += (int64_t)__builtin_popcountll(old) * (s->cycle - s->since[net]);
  s->since[net] = s->cycle;
  s->value[net] = value;
  for (int32_t f = s->fan_first[net]; f < s->fan_first[net + 1]; f++) s->dirty[s->fan_op[f] >> 6] |= 1ull << (s->fan_op[f] & 63);
}

static void settle(Sim *s) {
  int32_t words = (s->ops + 63) >> 6;
  for (int32_t i = 0; i < words; i++)
    while (s->dirty[i]) {
      int32_t op = i * 64 + __builtin_ctzll(s->dirty[i]);
      s->dirty[i] &= s->dirty[i] - 1;
      set_net(s, s->op_out[op], eval(s->op_code[op], s->value, s->op_in + s->op_first[op]));
    }
}

// ---- memories: outputs of this edge are collected first, because all registers see the values before the edge

static void access_lanes(Sim *s, Macro *m, int32_t row, word lanes, word write, word *out) {
  word *cells = m->content + (int64_t)row * m->width;
  word writing = lanes & write, reading = lanes & ~write;
  for (int32_t b = 0; b < m->width; b++) {
    word put = writing & (m->mask[b] < 0 ? ~0ull : s->value[m->mask[b]]);
    cells[b] = (cells[b] & ~put) | (s->value[m->din[b]] & put);
    out[b] = (out[b] & ~reading) | (cells[b] & reading);
  }
}

static int access_macro(Sim *s, Macro *m, word *out) {
  word on = s->enable[m->domain] & s->value[m->men];
  word write = on & s->value[m->wen], active = on & (s->value[m->wen] | s->value[m->ren]);
  if (!active) return 0;
  m->writes += __builtin_popcountll(write);
  m->reads += __builtin_popcountll(active & ~write);
  for (int32_t b = 0; b < m->width; b++) out[b] = s->value[m->dout[b]];
  while (active) {  // lanes that share an address are served together
    int first = __builtin_ctzll(active);
    word same = active;
    int32_t row = 0;
    for (int32_t a = 0; a < m->address_bits; a++) {
      word bit = s->value[m->address[a]];
      if (bit >> first & 1) { row |= 1 << a; same &= bit; } else same &= ~bit;
    }
    if (row < m->depth) access_lanes(s, m, row, same, write, out);
    active &= ~same;
  }
  return 1;
}

// ---- streams

static void present(Sim *s, Stream *t, word lanes) {
  word valid = s->value[t->valid] & ~lanes;
  for (word rest = lanes; rest; rest &= rest - 1) {
    int lane = __builtin_ctzll(rest);
    if (t->enabled && t->position[lane] < t->to[lane]) valid |= 1ull << lane;
  }
  for (int32_t b = 0; b < t->width; b++) {
    word bits = s->value[t->data[b]] & ~lanes;
    for (word rest = lanes & valid; rest; rest &= rest - 1) {
      int lane = __builtin_ctzll(rest);
      bits |= (word)(t->values[t->position[lane]] >> b & 1) << lane;
    }
    bits |= s->value[t->data[b]] & lanes & ~valid;  // payload stays when nothing is offered
    set_net(s, t->data[b], bits);
  }
  set_net(s, t->valid, valid);
}

static word transfers(Sim *s, Stream *t) {
  word moved = s->value[t->valid] & s->value[t->ready];
  for (word rest = moved; rest; rest &= rest - 1) {
    int lane = __builtin_ctzll(rest);
    if (!t->is_input && t->position[lane] < t->capacity) {
      int64_t found = 0;
      for (int32_t b = 0; b < t->width; b++) found |= (int64_t)(s->value[t->data[b]] >> lane & 1) << b;
      t->taken[lane * t->capacity + t->position[lane]] = found;
    }
    t->position[lane]++;
  }
  return moved;
}

// ---- one lane with cell delays: what the zero-delay simulation cannot see

typedef struct { int32_t op, next; int64_t id; } Event;
static Event *pool; static int32_t pool_size, pool_used;
static int32_t bucket[TICKS];
static int64_t *pending; static int64_t pending_size, last_id;
static int32_t *changed_source; static int32_t changed_count;

static void schedule(int64_t now, int32_t delay, int32_t op, int64_t id) {
  if (pool_used == pool_size) pool = realloc(pool, sizeof(Event) * (pool_size = pool_size ? 2 * pool_size : 4096));
  int32_t at = (now + (delay < 1 ? 1 : delay >= TICKS ? TICKS - 1 : delay)) & (TICKS - 1);
  pool[pool_used] = (Event){op, bucket[at], id};
  bucket[at] = pool_used++;
}

static void flip(Sim *s, int32_t net, int64_t now, int64_t *waiting) {
  s->bit[net] ^= 1;
  s->delayed[net]++;
  for (int32_t f = s->fan_first[net]; f < s->fan_first[net + 1]; f++) {
    int32_t op = s->fan_op[f], in = s->fan_pin[f];
    word to = eval(s->op_code[op], s->bit, s->op_in + s->op_first[op]) & 1;
    if (to == s->bit[s->op_out[op]]) {
      if (pending[op]) { pending[op] = 0; --*waiting; }   // inertial: a pulse shorter than the delay is swallowed
    } else if (!pending[op]) {
      pending[op] = ++last_id;
      ++*waiting;
      schedule(now, to ? s->rise[in] : s->fall[in], op, last_id);
    }
  }
}

static void run_delayed(Sim *s, int lane) {
  int64_t waiting = 0;
  pool_used = 0;
  memset(bucket, 255, sizeof bucket);
  for (int32_t i = 0; i < changed_count; i++) { schedule(0, s->source_delay[changed_source[i]], -1 - changed_source[i], 0); waiting++; }
  int64_t limit = 64 * (int64_t)TICKS;
  for (int64_t now = 0; waiting && now < limit; now++) {
    int32_t e = bucket[now & (TICKS - 1)];
    bucket[now & (TICKS - 1)] = -1;
    while (e >= 0) {
      Event event = pool[e];
      e = event.next;
      if (event.op < 0) { waiting--; flip(s, -1 - event.op, now, &waiting); }
      else if (pending[event.op] == event.id) { pending[event.op] = 0; waiting--; flip(s, s->op_out[event.op], now, &waiting); }
    }
  }
  s->lost += waiting;
  for (int32_t n = 0; n < s->nets; n++) s->differing += s->bit[n] != (s->value[n] >> lane & 1);
}

// ---- the clock

static int done(Sim *s, int32_t stream, int64_t count) {
  if (stream < 0) return 0;
  Stream *t = &s->stream[stream];
  for (int lane = 0; lane < LANES; lane++) {
    int64_t moved = t->is_input ? t->position[lane] - t->from[lane] : t->position[lane];
    if (moved < count && !(t->is_input && t->position[lane] >= t->to[lane])) return 0;
  }
  return 1;
}

static void step(Sim *s, int sample) {
  static word *moved; static word *outs; static int64_t outs_size; static int32_t *active; static int32_t active_size, streams_size;
  int64_t need = 0;
  for (int32_t m = 0; m < s->macros; m++) need += s->macro[m].width;
  if (need > outs_size) outs = realloc(outs, sizeof(word) * (outs_size = need));
  if (s->macros > active_size) active = realloc(active, 4 * (active_size = s->macros));
  if (s->streams > streams_size) moved = realloc(moved, sizeof(word) * (streams_size = s->streams));

  for (int32_t t = 0; t < s->streams; t++) moved[t] = transfers(s, &s->stream[t]);
  s->enable[0] = ~0ull;
  s->toggles[s->domain_net[0]] += 2 * LANES;
  for (int32_t d = 1; d < s->domains; d++) {
    s->enable[d] = s->enable[s->domain_parent[d]] & s->value[s->domain_enable[d]];
    s->toggles[s->domain_net[d]] += 2 * __builtin_popcountll(s->enable[d]);
  }
  for (int32_t d = 0; d < s->domains; d++) {
    word on = s->enable[d];
    if (!on) continue;
    for (int32_t f = s->domain_flop[d]; f < s->domain_flop[d + 1]; f++)
      s->next[f] = (s->value[s->flop_q[f]] & ~on) | (s->value[s->flop_d[f]] & on);
  }
  word *out = outs;
  for (int32_t m = 0; m < s->macros; m++) { active[m] = access_macro(s, &s->macro[m], out); out += s->macro[m].width; }

  if (sample) {
    for (int32_t n = 0; n < s->nets; n++) s->bit[n] = s->value[n] >> s->lane & 1;
  }
  s->cycle++;
  for (int32_t d = 0; d < s->domains; d++)
    if (s->enable[d])
      for (int32_t f = s->domain_flop[d]; f < s->domain_flop[d + 1]; f++) {
        if (s->flop_inverse[f] >= 0) set_net(s, s->flop_inverse[f], ~s->next[f]);
        set_net(s, s->flop_q[f], s->next[f]);
      }
  out = outs;
  for (int32_t m = 0; m < s->macros; m++) {
    if (active[m]) for (int32_t b = 0; b < s->macro[m].width; b++) set_net(s, s->macro[m].dout[b], out[b]);
    out += s->macro[m].width;
  }
  for (int32_t t = 0; t < s->streams; t++)
    if (s->stream[t].is_input && moved[t]) present(s, &s->stream[t], moved[t]);

  if (sample) {
    if (s->ops > pending_size) { pending = realloc(pending, 8 * (pending_size = s->ops)); memset(pending, 0, 8 * s->ops); }
    changed_source = realloc(changed_source, 4 * (int64_t)s->nets);
    changed_count = 0;
    for (int32_t n = 0; n < s->nets; n++)
      if (s->source_delay[n] >= 0 && s->bit[n] != (s->value[n] >> s->lane & 1)) changed_source[changed_count++] = n;
  }
  settle(s);
  if (sample) {
    for (int32_t n = 0; n < s->nets; n++) s->settled[n] += s->bit[n] != (s->value[n] >> s->lane & 1);
    run_delayed(s, s->lane);
    s->sampled++;
    s->lane = (s->lane + 7) % LANES;
  }
}

// Up to `cycles` cycles, or until every lane of `stream` (-1: none) has moved `count` values. Every `sample_every`-th cycle
// (0: none) one lane is run with delays as well. Returns the cycles run.
int64_t sim_run(Sim *s, int64_t cycles, int32_t stream, int64_t count, int64_t sample_every) {
  int64_t ran = 0;
  while (ran < cycles && !done(s, stream, count)) {
    step(s, sample_every > 0 && ran % sample_every == sample_every - 1);
    ran++;
  }
  return ran;
}

void sim_settle_all(Sim *s) {
  for (int32_t op = 0; op < s->ops; op++) s->dirty[op >> 6] |= 1ull << (op & 63);
  settle(s);
}

void sim_set(Sim *s, int32_t net, word value) { set_net(s, net, value); settle(s); }

void sim_enable(Sim *s, int32_t stream, int32_t enabled) {
  s->stream[stream].enabled = enabled;
  present(s, &s->stream[stream], ~0ull);
  settle(s);
}

void sim_flush(Sim *s) {
  for (int32_t n = 0; n < s->nets; n++) {
    s->ones[n] += (int64_t)__builtin_popcountll(s->value[n]) * (s->cycle - s->since[n]);
    s->since[n] = s->cycle;
  }
}
