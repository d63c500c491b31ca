-- Tells what wrk counted as one line of JSON. Lua is asked once at the end, so it costs the load nothing.
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"bytes":%d,"microseconds":%d,"errors":%d,"notSuccess":%d,"p50":%d,"p90":%d,"p99":%d}\n',
    summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
