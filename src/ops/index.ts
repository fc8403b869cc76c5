export { openNotifier, type Notifier } from './notify.ts';
