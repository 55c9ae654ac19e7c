// How the page of a result looks, by day and by night.
#pragma once

namespace objpool::client {

inline constexpr const char* kPageStyle = R"(
:root { color-scheme: light dark; --ink: #1c2330; --dim: #5b6472; --paper: #ffffff;
  --card: #f4f6f9; --rule: #d5dae2; --good: #14743f; --bad: #b3261e;
  --c0: #1f62c9; --c1: #0f7d5c; --c2: #b4530a; --c3: #7a7f8a; --c4: #8a3fb8; --c5: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --dim: #9aa4b2; --paper: #12161d; --card: #1b212b; --rule: #333c49;
    --good: #59d08f; --bad: #ff8a80;
    --c0: #7db2ff; --c1: #5fd3ad; --c2: #ffb169; --c3: #a3abb8; --c4: #d3a4f5; --c5: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 960px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 16px; margin: 28px 0 8px; }
p { margin: 4px 0; } .dim { color: var(--dim); }
.verdict { padding: 8px 12px; margin: 12px 0; border-left: 4px solid var(--good);
  background: var(--card); } .verdict.bad { border-color: var(--bad); }
.verdict b { color: var(--good); } .verdict.bad b { color: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.tile { flex: 1 1 130px; padding: 10px 14px; background: var(--card); border-radius: 6px; }
.tile b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--dim); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child { text-align: left; } th { color: var(--dim); font-weight: 500; }
svg { width: 100%; height: auto; background: var(--card); border-radius: 6px; }
svg text { fill: var(--dim); font: 12px system-ui, sans-serif; dominant-baseline: middle; }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--dim); stroke-width: 1; }
.shade { fill: var(--rule); opacity: 0.45; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
circle { fill: currentColor; }
.s0 { color: var(--c0); } .s1 { color: var(--c1); } .s2 { color: var(--c2); }
.s3 { color: var(--c3); } .s4 { color: var(--c4); } .s5 { color: var(--c5); }
.s3 .line { stroke-dasharray: 5 4; }
.legend { display: flex; flex-wrap: wrap; gap: 16px; margin: 6px 0 0; padding: 0;
  list-style: none; font-size: 13px; } .legend span { color: var(--ink); }
details { margin: 16px 0; } summary { cursor: pointer; color: var(--dim); }
)";

}  // namespace objpool::client
