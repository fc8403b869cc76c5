/**
 * ONNX Runtime 1.30 writes an id of this device into `~/.cache/Microsoft`, log files into the temporary folder, and sends
 * what it measures to its maker, unless this stands in the environment before it is loaded. Import this before it.
 */
process.env['ORT_DISABLE_TELEMETRY'] = '1';
