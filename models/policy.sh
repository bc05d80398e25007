#!/usr/bin/env bash
# Makes models/policy.onnx and its card again: DATA is the folder of market data, WORK any empty folder.
# Three other settings were compared with this one on the validation part, and two policies came before it: hence --earlier-trials.
#   models/policy.sh ../shared/data /tmp/policy
set -euo pipefail
data=$1 work=$2
gpi() { node "$(dirname "$0")/../bin/run.js" "$@" -q; }
export GPI__HOME="$work/home"
five=$(printf "$data/intraday/us_5m_%s_2025.csv.gz " XLB XLC XLE XLF XLI XLK XLP XLRE XLU XLV XLY SPY QQQ AAPL MSFT NVDA)
gpi ingest csv $five --out "$work/markets/stocks-5m"
gpi ingest csv "$data"/daily/{KO,PEP}_1d_2010_2019.csv.gz "$data"/daily/{GLD,GDX}_1d_2006_2012.csv.gz --out "$work/markets/pairs-daily"
gpi ingest lobster "$data"/lob/lobster_*.csv.gz --out "$work/markets/lobster"
gpi ingest binance "$data"/lob/binance_spot_*.csv.gz --out "$work/markets/binance-books"
gpi ingest lean "$data"/intraday/lean_*_1s_*.csv.gz --out "$work/markets/lean-seconds"
gpi ingest csv "$data"/crypto/coinbase_*_1m_*.csv.gz --out "$work/markets/crypto-1m"
gpi train policy --data "$work/markets" --out "$work/out" --size small --batch 256 --max-steps 6000 --patience 24 --folds 2 --seed 1 --earlier-trials 5
cp "$work"/out/policy.{onnx,card.json} "$(dirname "$0")"
