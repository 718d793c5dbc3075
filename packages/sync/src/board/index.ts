export { type QueueBoard, type QueueBoardOptions, queueBoard } from './board.ts'
