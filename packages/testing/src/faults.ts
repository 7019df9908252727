// Tools that break things on purpose: the network, a process, time. For tests only; Node only.

/** Processes: kill, freeze and thaw a real one. */
export { type Child, type ChildExit, type StartChildOptions, startChild } from './faults/child-process.ts';
/** Time: a clock that a test advances. */
export { type Clock, createTestClock, systemClock, type TestClock } from './faults/clock.ts';
/** The network: a proxy between a client and a real server. */
export { type LostAnswer, loseAnswerAfter } from './faults/lost-answer.ts';
export {
  createTcpProxy,
  type Direction,
  type DirectionFaults,
  type ProxyConnection,
  type ProxyFaults,
  type TcpProxy,
  type TcpProxyOptions,
  type Verdict,
} from './faults/tcp-proxy.ts';
