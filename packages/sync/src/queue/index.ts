export { createTaskQueue, type TaskQueueOptions } from './service.ts'
export type { Retention } from './sweep.ts'
export type {
  CarrierWork,
  Handled,
  Hands,
  NewTask,
  QueueDepth,
  QueuedTask,
  TaskCarrier,
  TaskService,
  Ticket,
  WorkOptions,
} from './types.ts'
