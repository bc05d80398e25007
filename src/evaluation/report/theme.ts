/** Colours hold 4.5:1 for text and 3:1 for marks on their surface in both themes; print is the light theme on white. */
export const STYLE = `
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#5a6370;--line:#e3e6ea;--axis:#9aa3ad;
--s1:#2563b0;--s2:#b4570a;--s3:#0d7d72;--s4:#7a4fb5;--s5:#a8326e;--good:#1a7f45;--bad:#c0342c;--total:#4a5563;--warn:#8a5a00;--warnbg:#fff6e0}
@media(prefers-color-scheme:dark){:root{--page:#14171b;--card:#1c2026;--ink:#e7eaee;--soft:#a3adb8;--line:#2c323a;--axis:#6c7682;
--s1:#6ea8ee;--s2:#eb9a52;--s3:#45c2b3;--s4:#b794ea;--s5:#ea7fb2;--good:#4cc483;--bad:#f0776d;--total:#9aa6b4;--warn:#f0c463;--warnbg:#2e2818}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1000px;margin:0 auto;padding:24px 20px 60px}
h1,h2,h3{overflow-wrap:anywhere}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:0 0 10px}h3{font-size:14px;margin:16px 0 6px}
.sub{color:var(--soft);margin:0 0 20px;font-size:13px}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px 18px;margin:0 0 16px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:0 0 16px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px}
.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:13px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
th,td{text-align:right;padding:5px 8px;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:500}
.good{fill:var(--good);color:var(--good)}.bad{fill:var(--bad);color:var(--bad)}.total{fill:var(--total)}
.uncertain,.undefined{color:var(--soft)}.met{color:var(--good);font-weight:600}.missed{color:var(--bad);font-weight:600}
svg{width:100%;height:auto;display:block;font:11px system-ui,sans-serif}
svg text{fill:var(--soft)}svg text.value{fill:var(--ink)}svg text.tight{font-size:11px}
.grid{stroke:var(--line)}.axis{stroke:var(--axis)}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.line.s1,i.s1{stroke:var(--s1);background:var(--s1)}.line.s2,i.s2{stroke:var(--s2);background:var(--s2)}
.line.s3,i.s3{stroke:var(--s3);background:var(--s3)}.line.s4,i.s4{stroke:var(--s4);background:var(--s4)}
.line.s5,i.s5{stroke:var(--s5);background:var(--s5)}.line.quiet{stroke:var(--axis);stroke-width:1.2}
.line.bad{stroke:var(--bad);fill:none}.area.bad{fill:var(--bad);fill-opacity:.18}
.mark.buy{fill:var(--s1)}.mark.sell{fill:var(--s2)}
.legend{margin:0 0 6px;font-size:13px;color:var(--soft)}.legend span{margin-right:16px}
.legend i{display:inline-block;width:14px;height:3px;margin-right:6px;vertical-align:middle}
.legend .tri{display:inline-block;width:auto;height:auto;background:none;margin-right:4px;font-style:normal}
.note{color:var(--soft);font-size:13px;margin:6px 0 0}
.warn{background:var(--warnbg);border-color:var(--warn)}.warn li{margin:3px 0}.warn code{color:var(--warn)}
code{font:12px ui-monospace,Menlo,Consolas,monospace}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0;font-size:13px}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
dl.says{grid-template-columns:max-content 1fr max-content 1fr}
@media (max-width:800px){svg{font-size:15px}}
@media screen and (max-width:640px){main{padding:14px 10px 40px}section{padding:12px}svg{min-width:520px}
table{font-size:13px}th,td{padding:5px 5px}dl.says{grid-template-columns:max-content 1fr}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--axis:#777;
--s1:#1d4f91;--s2:#8f4206;--s3:#0a635b;--s4:#5f3a93;--s5:#862557;--good:#12612f;--bad:#9c241d;--total:#333;--warn:#6a4400;--warnbg:#fff}
main{max-width:none;padding:0}section,.tile,tr,svg{break-inside:avoid}section,.tile{border-color:#bbb}h2,h3,.legend{break-after:avoid}body{font-size:12px}
.scroll{overflow:visible}table{font-size:11px}th,td{padding:4px 5px}th,td:last-child{white-space:normal}svg{font-size:15px}
.legend i,.scroll svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`
