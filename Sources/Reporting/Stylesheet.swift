/// The page's style: one column for reading, two for drawings, A4 in print, light and dark by the reader's setting.
enum Stylesheet {
  static let page: Markup = """
    :root{color-scheme:light dark;--ink:#1c2430;--soft:#566070;--rule:#d9dee6;--paper:#fff;--ground:#f4f6f9;--link:#0059a0;\
    --good:#00624a;--good-ground:#e3f4ee;--fair:#0059a0;--fair-ground:#e6f0fa;--bad:#9a2d00;--bad-ground:#fdeee6;\
    --note:#b58a00;--note-ground:#fdf6dc}
    @media screen and (prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#a9b3c1;--rule:#37404d;--paper:#171c24;\
    --ground:#0f1319;--link:#7cc0f5;--good:#6ed8b4;--good-ground:#12332a;--fair:#7cc0f5;--fair-ground:#14293d;\
    --bad:#f5a77a;--bad-ground:#3a2015;--note:#d9b23c;--note-ground:#2f2910}}
    *{box-sizing:border-box}
    html{-webkit-text-size-adjust:100%}
    body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,"DejaVu Sans",sans-serif}
    a{color:var(--link)}
    :focus-visible{outline:3px solid var(--link);outline-offset:2px}
    .skip{position:absolute;left:-999px}.skip:focus{position:static}
    header,main,footer{max-width:1160px;margin:0 auto;padding:0 24px}
    header{padding-top:28px;color:var(--soft);font-size:14px;display:flex;flex-wrap:wrap;gap:4px 20px;align-items:baseline}
    header p{margin:0}header .mark{color:var(--ink);font-weight:700;letter-spacing:.02em}
    h1{font-size:30px;line-height:1.22;margin:0 0 14px;letter-spacing:-.01em;text-wrap:balance}
    h2{font-size:22px;margin:52px 0 14px;line-height:1.25}
    .card>h2{margin-top:0}
    h3{font-size:17px;margin:32px 0 10px}
    h4{font-size:15px;margin:18px 0 6px}
    p{margin:0 0 12px;max-width:78ch}
    ul{margin:0 0 12px;padding-left:22px;max-width:78ch}li{margin:3px 0}
    .card{background:var(--paper);border:1px solid var(--rule);border-radius:10px;padding:28px 30px;margin:14px 0 22px}
    .claim{border-top:6px solid var(--fair)}.claim.strong{border-top-color:var(--good)}.claim.alarm{border-top-color:var(--bad)}
    .claim .statement{font-size:17.5px}
    .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0 18px;padding:0}
    .tile{background:var(--ground);border-radius:8px;padding:12px 14px}
    .tile dt{font-size:13px;color:var(--soft)}.tile dd{margin:2px 0 0;font-size:21px;font-weight:650;line-height:1.2}
    .tile dd small{display:block;font-size:13px;font-weight:400;color:var(--soft);margin-top:3px;line-height:1.4}
    .tile.strong{background:var(--good-ground)}.tile.strong dd{color:var(--good)}
    .tile.reasonable{background:var(--fair-ground)}.tile.reasonable dd{color:var(--fair)}
    .tile.weak,.tile.none{background:var(--bad-ground)}.tile.weak dd,.tile.none dd{color:var(--bad)}
    .tile dd small,.tile.strong dd small,.tile.reasonable dd small,.tile.weak dd small,.tile.none dd small{color:var(--soft)}
    .hazards{background:var(--note-ground);border-left:5px solid var(--note);border-radius:6px;padding:12px 18px;margin:14px 0}
    .hazards.grave{background:var(--bad-ground);border-color:var(--bad)}
    .hazards h2{font-size:16px;margin:0 0 6px}.hazards.grave h2{color:var(--bad)}.hazards ul{margin:0}
    nav{font-size:14px;margin:0 0 8px}nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;max-width:none}
    .scroll{overflow-x:auto;margin:0 0 6px}
    table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}
    caption{text-align:left;font-weight:600;padding:6px 0;font-size:15px}
    th,td{padding:7px 12px 7px 0;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
    thead th{color:var(--soft);font-weight:600;font-size:13px;vertical-align:bottom;border-bottom:2px solid var(--rule)}
    .number+:not(.number){padding-left:18px}tbody th{font-weight:400;min-width:7em}.number{text-align:right;padding-left:12px}th:last-child,td:last-child{padding-right:4px}
    td.number{white-space:nowrap}td small{display:block;color:var(--soft);font-size:12px}tr.main{background:var(--fair-ground)}
    tr.main>:first-child{padding-left:8px}
    .note{color:var(--soft);font-size:13.5px;margin-bottom:18px}
    dl.facts{display:grid;grid-template-columns:minmax(150px,270px) 1fr;gap:5px 20px;margin:0 0 14px;font-size:15px}
    dl.facts dt{color:var(--soft)}dl.facts dd{margin:0;overflow-wrap:anywhere}
    .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr));gap:18px}
    figure{margin:0;background:var(--paper);border:1px solid var(--rule);border-radius:10px;padding:16px 18px;min-width:0}
    figure.wide{grid-column:1/-1}figure h3{margin:0 0 8px;font-size:16px}
    figcaption{color:var(--soft);font-size:13.5px;margin-top:8px}svg.plot{display:block;width:100%;height:auto}
    pre{background:var(--ground);border:1px solid var(--rule);border-radius:6px;padding:10px 14px;overflow-x:auto;font-size:13.5px;\
    white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 12px}
    code{font-family:ui-monospace,"DejaVu Sans Mono",monospace}
    .seal{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:11px;line-height:1.4;overflow-wrap:anywhere;max-width:none}
    footer{color:var(--soft);font-size:13.5px;padding-top:24px;padding-bottom:40px}
    @media screen and (max-width:800px){figure.wide{overflow-x:auto}figure.wide svg{min-width:720px}}
    @media (max-width:640px){h1{font-size:23px}.card{padding:18px}dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:8px}}
    @page{size:A4;margin:16mm 14mm}
    @media print{body{background:#fff;font-size:9.6pt;line-height:1.42}header,main,footer{max-width:none;padding:0}
    .card{border:0;padding:0;margin:0 0 14px}.claim{border-top:4px solid var(--fair);padding-top:10px}
    .claim.strong{border-color:var(--good)}.claim.alarm{border-color:var(--bad)}.claim .statement{font-size:10.6pt}
    figure{border-color:#c6ccd6;break-inside:avoid;padding:8px 10px}figure h3{font-size:10.5pt}figcaption{font-size:8.4pt}
    h1{font-size:18pt}h2{font-size:13.5pt;margin:18px 0 8px}h3{font-size:11.5pt;margin:14px 0 6px}h4{font-size:10pt;margin:10px 0 4px}
    h1,h2,h3,h4,caption{break-after:avoid}tr,.tile,.hazards,pre,dl.facts dd{break-inside:avoid}
    thead{display:table-header-group}table{font-size:8.4pt}th,td{padding:3.5px 8px 3.5px 0}thead th{font-size:8pt}
    td small{font-size:6.6pt;white-space:nowrap}.number{padding-left:6px}caption{font-size:9.6pt}
    .tiles{grid-template-columns:repeat(3,1fr);gap:8px;margin:12px 0}.tile{padding:7px 10px}.tile dd{font-size:13pt}
    .tile dt,.tile dd small{font-size:8pt}dl.facts{font-size:9pt;gap:2px 16px;grid-template-columns:190px 1fr}
    nav,.skip{display:none}.short{break-inside:avoid}.scroll{overflow:visible}.figures{grid-template-columns:1fr 1fr;gap:10px}
    .tile,.hazards,tr.main,pre{print-color-adjust:exact;-webkit-print-color-adjust:exact}
    pre{font-size:8.4pt;padding:6px 10px}.note,footer{font-size:8.4pt}footer{padding:8px 0 0}a{color:inherit;text-decoration:none}}

    """
}
