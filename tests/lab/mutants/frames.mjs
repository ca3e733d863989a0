// WebSocket frames, as bytes: the proxy reads and writes them, and changes them on the way.

/** Reads frames from what comes in pieces, unmasked. */
export class FrameReader {
  #bytes = Buffer.alloc(0);

  *read(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (let frame; (frame = this.#next()); ) yield frame;
  }

  #next() {
    const bytes = this.#bytes;
    if (bytes.length < 2) return;
    const masked = bytes[1] & 0x80;
    let length = bytes[1] & 0x7f, at = 2;
    if (length === 126) [length, at] = bytes.length < 4 ? [Infinity, 4] : [bytes.readUInt16BE(2), 4];
    else if (length === 127) [length, at] = bytes.length < 10 ? [Infinity, 10] : [Number(bytes.readBigUInt64BE(2)), 10];
    const start = at + (masked ? 4 : 0);
    if (bytes.length < start + length) return;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (masked) payload.forEach((byte, n) => (payload[n] = byte ^ bytes[at + (n % 4)]));
    this.#bytes = bytes.subarray(start + length);
    return { fin: Boolean(bytes[0] & 0x80), opcode: bytes[0] & 0x0f, payload };
  }
}

/** A frame as a server sends it, or, with a mask of zeros, as a client does. */
export function frame({ fin, opcode, payload }, masked) {
  const mark = masked ? 0x80 : 0;
  const head = payload.length < 126 ? Buffer.from([0, mark | payload.length]) : payload.length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(payload.length), 2);
  if (head.length > 2) head[1] = mark | (head.length === 4 ? 126 : 127);
  head[0] = (fin ? 0x80 : 0) | opcode;
  return Buffer.concat(masked ? [head, Buffer.alloc(4), payload] : [head, payload]);
}
