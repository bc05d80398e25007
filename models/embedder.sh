#!/usr/bin/env bash
# Makes models/embedder.onnx and its card again: DATA is the folder of market data, WORK any empty folder.
#   models/embedder.sh ../shared/data /tmp/embedder
set -euo pipefail
data=$1 work=$2
gpi() { node "$(dirname "$0")/../bin/run.js" "$@" -q; }
export GPI__HOME="$work/home"
gpi ingest spx "$data"/options/spx_chain_snapshots_*.csv.gz "$data"/options/spx_chain_eod_2018-01_02.csv.gz --out "$work/chains"
gpi ingest cboe "$data"/options/cboe_*.csv.gz --out "$work/chains"
gpi ingest lean "$data"/options/lean_{AAPL_option_quotes_1h_2014,GOOG_option_quotes_1h_2015}.csv.gz "$data"/intraday/lean_underlying_1m_quotes_option_days.csv.gz --out "$work/chains"
gpi train embedder --data "$work/chains" --out "$work/out" --size small --batch 32 --max-steps 500 --seed 1 --folds 1
cp "$work"/out/embedder.{onnx,card.json} "$(dirname "$0")"
